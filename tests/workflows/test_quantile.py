"""`--quantiles 0.9`: one quantile instead of the mean, named as what it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli.main import main
from automl.config import FitConfig
from automl.errors import ConfigError


def noisy(n: int, seed: int) -> pd.DataFrame:
    """A target whose 0.9 quantile at x is 2 x + 1.2816 (0.5 + x)."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    return pd.DataFrame({"x": x, "z": rng.random(n), "y": 2 * x + rng.normal(size=n) * (0.5 + x)})


@pytest.mark.parametrize("metric", [[], ["--metric", "quantile"]])
def test_nine_in_ten_lie_below(
    metric: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, new, bundle = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "m"
    noisy(1500, 0).to_csv(data, index=False)
    rows = noisy(1500, 1)
    rows.to_csv(new, index=False)
    fit = ["fit", str(data), "-t", "y", "-o", str(bundle), "--trials", "1", "-q"]
    assert main([*fit, "--engines", "lightgbm", *metric, "--quantiles", "0.9"]) == 0
    known = json.loads((bundle / "metrics.json").read_text(encoding="utf-8"))
    assert known["metric"] == "quantile@0.9"
    assert known["quantile"]["level"] == 0.9
    assert known["quantile"]["below"] == pytest.approx(0.9, abs=0.03)
    assert "predicted 0.9 quantile" in (bundle / "ledger.jsonl").read_text(encoding="utf-8")
    capfd.readouterr()
    assert main(["predict", str(bundle), str(new), "-o", str(tmp_path / "p.csv")]) == 0
    found = pd.read_csv(tmp_path / "p.csv")
    assert list(found) == ["quantile_0.9"]
    assert (rows["y"] <= found["quantile_0.9"]).mean() == pytest.approx(0.9, abs=0.04)
    true = 2 * rows["x"] + 1.2816 * (0.5 + rows["x"])
    assert np.corrcoef(true, found["quantile_0.9"])[0, 1] > 0.8


def test_levels_are_read() -> None:
    assert FitConfig(quantiles="0.25").score == "quantile@0.25"  # type: ignore[arg-type]
    config = FitConfig(metric="quantile", quantiles=(0.9,))
    assert config.score == "quantile@0.9"
    assert FitConfig.from_json(config.to_json()) == config
    assert FitConfig(metric="mae").score == "mae"
    several = FitConfig(quantiles="0.9,0.1,0.5")  # type: ignore[arg-type]
    assert several.score == "quantile@0.1,0.5,0.9"
    with pytest.raises(ConfigError, match="--distil needs one number to predict"):
        FitConfig(quantiles=(0.1, 0.5), distil=True)
    with pytest.raises(ConfigError, match="--quantiles and --metric rmse exclude each other"):
        FitConfig(metric="rmse", quantiles=(0.9,))
    with pytest.raises(ConfigError, match="--quantiles must be shares between 0 and 1"):
        FitConfig(quantiles="1.5")  # type: ignore[arg-type]
