"""A fit's calibration, from the evidence to the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import automl
from automl.config import FitConfig
from automl.ledger import Silent
from automl.model.bundle import load_bundle
from automl.model.link import Link
from automl.search.calibrate import bag_line
from automl.search.select import Choice
from automl.workflows import calibration, shipped

QUICK = {"engines": ("lightgbm",), "trials": 1, "folds": 3, "in_process": True}


def table(n: int, classes: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(size=n)})
    signal = frame["a"] + rng.normal(size=n) * (0.2 + frame["b"])
    cuts = [-np.inf, 0.8, np.inf] if classes == 2 else [-np.inf, -0.5, 0.5, np.inf]
    frame["y"] = pd.cut(signal, cuts, labels=["l", "m", "h"][:classes]).astype(str)
    return frame


def facts_of(path: Path) -> tuple[list[str], dict[str, Any], Link]:
    lines = (path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    words = [line["decision"] for line in told if line["topic"] == "calibration"]
    return words, metrics["calibration"], load_bundle(path).link


def test_a_bag_is_compared_on_the_margins_of_its_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def watched(link: Link, margin: Any, models: Any, unseen: Any) -> tuple[float, float]:
        own = (models * unseen[:, :, None]).sum(axis=0)
        seen.append(float(np.abs(own - margin).max()))
        seen.append(float(np.abs(models[0] - models[1]).mean()))
        return bag_line(link, margin, models, unseen)

    monkeypatch.setattr(calibration, "bag_line", watched)
    result = automl.fit(table(900), target="y", output=str(tmp_path / "model"), **QUICK)
    assert seen[0] < 1e-5  # the model that has not seen a row gives its out-of-fold margin
    assert seen[1] > 1e-3
    words, evidence, link = facts_of(result.path)
    assert evidence["rows"] == 900
    assert set(evidence["tried"]) == {"none", "temperature", "shift", "platt"}
    assert evidence["after"]["log_loss"] <= evidence["before"]["log_loss"]
    assert any("margins of what ships count 1.0" in word for word in words)
    assert link.calibrates


@pytest.mark.parametrize("options", [{"refit": True}, {"class_weight": "balanced"}])
def test_one_model_has_no_bag_and_class_weights_no_calibration(
    options: dict[str, Any], tmp_path: Path
) -> None:
    result = automl.fit(
        table(600, 3), target="y", output=str(tmp_path / "model"), **QUICK, **options
    )
    words, evidence, link = facts_of(result.path)
    assert not any("margins" in word for word in words)
    if "refit" in options:
        assert set(evidence["tried"]) == {"none", "temperature"}
        assert len(words) == 1
    else:
        assert (words, evidence, link) == ([], None, Link("softmax"))


def test_a_replay_ships_the_line_that_the_run_had_time_to_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(600).to_csv(tmp_path / "table.csv", index=False)
    with monkeypatch.context() as patch:  # as found on other rows than a replay would take
        patch.setattr(calibration, "bag_line", lambda *_: (1.25, -0.125))
        first = automl.fit(
            tmp_path / "table.csv", target="y", output=str(tmp_path / "model"), **QUICK
        )
    link = load_bundle(first.path).link
    assert (link.temperature, link.intercept) != (1.0, 0.0)
    again = automl.replay(
        first.path,
        config=FitConfig(target="y", output=str(tmp_path / "again")),
        in_process=True,
    )
    assert load_bundle(again.path).link == link
    assert load_bundle(again.path).threshold == load_bundle(first.path).threshold


def test_other_cells_are_asked_of_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    margin = np.array([[0.5], [-1.0]])
    model = SimpleNamespace(margin=lambda _: margin, point=lambda prediction: prediction)
    monkeypatch.setattr(shipped, "assembled", lambda *_: model)
    link = Link("logit", temperature=2.0)
    found = Choice({}, Link("logit"), 0.5, margin, 0.0, [], None, shipped=link)
    finish: Any = SimpleNamespace(by_clock=False, plan=None)
    ask = shipped.asking(finish, found, [])
    assert ask is not None
    cells: Any = None
    assert np.array_equal(ask(cells), link.predict(margin))


def test_a_fit_sums_with_one_thread_and_gives_the_others_back(tmp_path: Path) -> None:
    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    class Listener(Silent):
        def stage(self, name: str) -> None:
            if name == "Race":
                seen.extend(threads())

    seen: list[int] = []
    with threadpool_limits(2, "blas"):
        before = threads()
        automl.fit(
            table(100),
            target="y",
            output=str(tmp_path / "model"),
            progress=Listener(),
            **QUICK,
        )
        assert threads()[: len(before)] == before
    assert len(seen) >= len(before)
    assert set(seen[: len(before)]) <= {1}
