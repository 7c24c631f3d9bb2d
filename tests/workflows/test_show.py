from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from automl.cli.main import main
from automl.errors import BundleError, ConfigError
from automl.task import Task
from automl.workflows.show import SECTIONS, show

Bundles = Mapping[Task, Path]


def facts(bundle: Path, what: str) -> object:
    return show(bundle, what)[0].data


def test_summary_says_what_the_model_is(bundles: Bundles) -> None:
    summary = facts(bundles[Task.BINARY], "summary")
    assert isinstance(summary, dict)
    assert (summary["target"], summary["task"], summary["score"]) == ("y", "binary", 0.9)
    assert summary["classes"] == ["no", "yes"]
    assert summary["members"] == ["1.00 x lightgbm-1 (lightgbm, plain, 2 boosters)"]
    assert summary["top columns"] == ["city 60%"]


def test_leaderboard_is_typed(bundles: Bundles) -> None:
    first, failed = facts(bundles[Task.BINARY], "leaderboard")  # type: ignore[misc]
    assert (first["rank"], first["score"], first["params"]) == (1, 0.9, {"num_leaves": 4})
    assert (failed["state"], failed["score"], failed["cause"]) == ("failed", None, "out of memory")


def test_schema_has_a_row_per_column(bundles: Bundles) -> None:
    section = show(bundles[Task.BINARY], "schema")[0]
    assert [row[:3] for row in section.rows] == [
        ("age", "numeric", "yes"),
        ("city", "categorical", "yes"),
        ("wage", "numeric", "yes"),
    ]


def test_decisions_keep_their_order_and_warnings(bundles: Bundles) -> None:
    section = show(bundles[Task.BINARY], "decisions")[0]
    assert section.rows[0] == ("task", "binary: y", "two values", None)
    assert section.rows[1][1] == "Warning: 3 rows repeat"


def test_versions_and_config(write_people: Callable[..., Path]) -> None:
    bundle = write_people(Task.BINARY, config={"seed": 7}, origins={"seed": "command line"})
    versions = facts(bundle, "versions")
    assert isinstance(versions, dict)
    assert (versions["bundle format"], versions["python"]) == (1, "3.11.7")
    assert show(bundle, "config")[0].rows == (("seed", "7", "command line"),)


def test_all_is_every_section(bundles: Bundles) -> None:
    assert [section.name for section in show(bundles[Task.REGRESSION], "all")] == list(SECTIONS)


def test_an_unknown_word(bundles: Bundles) -> None:
    with pytest.raises(ConfigError, match=r"nothing called 'leaderbord'.*'leaderboard'"):
        show(bundles[Task.BINARY], "leaderbord")


def test_a_changed_file_is_found(write_people: Callable[..., Path]) -> None:
    bundle = write_people(Task.BINARY)
    (bundle / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match=r"metrics\.json.* was changed"):
        show(bundle)


@pytest.mark.parametrize("what", [*SECTIONS, "all"])
def test_command(bundles: Bundles, capfd: pytest.CaptureFixture[str], what: str) -> None:
    bundle = str(bundles[Task.MULTICLASS])
    assert main(["show", bundle, what]) == 0
    assert capfd.readouterr().out.strip()
    assert main(["show", bundle, what, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) is not None


def test_command_without_a_word_is_the_summary(
    bundles: Bundles, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(bundles[Task.BINARY])]) == 0
    assert "lightgbm-1" in capfd.readouterr().out


def test_no_bundle_is_exit_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "nothing")]) == 2
    assert "There is no bundle" in capfd.readouterr().err
