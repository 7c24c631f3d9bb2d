"""`report.json` and `report.html` of a bundle, and `automl report`."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import automl
from automl.cli.main import cli
from automl.errors import BundleError, ConfigError, DataError
from automl.model.manifest import MANIFEST, write_manifest
from automl.report.report import report_page
from automl.task import Task
from automl.workflows.evaluate import EvaluateOptions
from automl.workflows.report import report

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def shops(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            EVIL: rng.choice(["bread", "books", EVIL], n),
            "open": rng.choice([True, False], n),
        }
    )
    signal = table["size"] + (table[EVIL] == "books")
    table["y"] = np.where(signal + rng.normal(0, 0.7, n) > 0.3, "yes", EVIL)
    table.loc[:9, "y"] = None  # rows without a target have numbers, too
    return table


def fitted(place: Path, **options: Any) -> Path:
    settings = {"trials": 3, "folds": 3, "engines": ("lightgbm",), "in_process": True}
    result = automl.fit(shops(), target="y", output=str(place), **{**settings, **options})
    return result.path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("reports") / "shops-model")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.csv"
    shops(120, seed=1).to_csv(path, index=False)
    return path


def stored(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "report.json").read_bytes())
    return found


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def assert_inert(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    for tag, attributes in tags.found:
        assert tag not in ("img", "iframe", "object", "embed", "link", "base", "form"), tag
        assert not any(name.startswith("on") for name in attributes), attributes
        assert tag == "svg" or "src" not in attributes, attributes
    assert "<script>alert" not in page


# In the bundle


def test_every_section_is_in_the_bundle_and_hostile_names_are_text(bundle: Path) -> None:
    facts = stored(bundle)
    assert {"result", "data", "race", "decisions", "performance"} <= facts.keys()
    assert "left_out" not in facts["about"]
    page = (bundle / "report.html").read_text(encoding="utf-8")
    assert_inert(page)
    assert "http" not in page.replace("http-equiv", "")
    assert len(page) < 6_000_000


def test_its_files_are_listed_and_compared(bundle: Path, tmp_path: Path) -> None:
    listed = json.loads((bundle / MANIFEST).read_bytes())["files"]
    assert {"report.json", "report.html"} <= listed.keys()
    copied = Path(shutil.copytree(bundle, tmp_path / "copy"))
    with (copied / "report.html").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=r"report\.html"):
        report(copied, output=tmp_path / "page.html")


def test_rows_are_named_as_in_the_table(bundle: Path) -> None:
    rows = stored(bundle)["result"]["rows"]
    assert rows == 230
    text = json.dumps(stored(bundle).get("wrong", {}))
    assert '"row": 0,' not in text  # the first ten have no target


def unmeasured(facts: Any) -> Any:
    """`facts` without what a clock measured."""
    if isinstance(facts, Mapping):
        hidden = ("seconds", "predict")
        return {name: unmeasured(one) for name, one in facts.items() if name not in hidden}
    return [unmeasured(one) for one in facts] if isinstance(facts, list) else facts


def test_with_trials_the_facts_are_the_same_again(bundle: Path, tmp_path: Path) -> None:
    again = fitted(tmp_path / "again")
    assert unmeasured(stored(again)) == unmeasured(stored(bundle))


def test_without_time_the_last_sections_are_left_out_and_named(bundle: Path) -> None:
    facts = stored(bundle)
    facts.pop("performance")
    facts["about"]["left_out"] = ["performance"]
    page = report_page(facts)
    assert "there was no time for Performance" in page
    assert 'id="performance"' not in page


# Drawn again


def test_the_page_is_drawn_again_as_it_was(bundle: Path, tmp_path: Path) -> None:
    drawn = report(bundle, output=tmp_path / "page.html")
    assert drawn.path.read_bytes() == (bundle / "report.html").read_bytes()
    assert drawn.rows is None


def test_new_rows_are_measured(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    drawn = report(bundle, labelled, tmp_path / "page.html")
    result = drawn.facts["result"]
    assert result["measured"] == {"data": "labelled.csv", "rows": 110}
    assert result["low"] < result["score"] < result["high"]
    assert result["run"]["score"] == stored(bundle)["result"]["score"]
    assert drawn.facts["race"] == stored(bundle)["race"]
    assert_inert(drawn.path.read_text(encoding="utf-8"))


def test_rows_without_a_target_are_refused(bundle: Path, labelled: Path, tmp_path: Path) -> None:
    table = pd.read_csv(labelled)
    table["y"] = None
    table.to_csv(labelled, index=False)
    with pytest.raises(DataError, match="No row of"):
        report(bundle, labelled, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_nothing_is_written_into_a_bundle(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="write over the input"):
        report(bundle, output=bundle / "page.html")


def test_an_older_bundle_is_drawn_on_rows_only(
    bundles: Mapping[Task, Path], new_people: Callable[[Task], Path], tmp_path: Path
) -> None:
    for task in (Task.MULTICLASS, Task.REGRESSION):
        with pytest.raises(ConfigError, match="holds no report"):
            report(bundles[task], output=tmp_path / "page.html")
        drawn = report(bundles[task], new_people(task), tmp_path / f"{task}.html")
        assert drawn.facts["result"]["measured"]["rows"] == 57
        assert len(drawn.facts["race"]["board"]) == 2


def test_the_oldest_bundle_is_drawn_on_rows(tmp_path: Path) -> None:
    oldest = Path(__file__).parents[1] / "bundles" / "format-1"
    with pytest.raises(ConfigError, match="holds no report"):
        report(oldest, output=tmp_path / "page.html")
    rows = pd.read_csv(oldest.parent / "format-1.rows.csv")
    rows["y"] = np.where(np.arange(len(rows)) % 2, "big", "little")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    drawn = report(oldest, tmp_path / "rows.csv", tmp_path / "page.html")
    assert drawn.facts["result"]["measured"]["rows"] == len(rows)
    said = [one["text"] for one in drawn.facts["result"]["warnings"]]
    assert "'run/journal.jsonl' cannot be read: the race is told without its trials" in said
    assert "What more time would buy" not in drawn.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("known", [2, None, True])
def test_facts_of_another_version_are_drawn_on_rows_only(
    bundle: Path, labelled: Path, tmp_path: Path, known: Any
) -> None:
    facts = {**stored(bundle), "format": known, "race": {"board": "of another form"}}
    if known is None:
        del facts["format"]
    other = rewritten(bundle, tmp_path / "other", facts)
    with pytest.raises(BundleError, match=f"has the format {known}") as raised:
        report(other, output=tmp_path / "page.html")
    assert f"automl report {other} DATA" in str(raised.value.hint)
    drawn = report(other, labelled, tmp_path / "page.html")
    assert drawn.facts["race"]["board"][0]["rank"] == 1  # out of the record, not of those facts


def test_options_of_rows_need_rows(bundle: Path, tmp_path: Path) -> None:
    for asked in ({"weight_column": "size"}, {"mode": "strict"}, {"report": tmp_path / "v.json"}):
        with pytest.raises(ConfigError, match="needs labelled rows"):
            report(bundle, output=tmp_path / "page.html", options=EvaluateOptions(**asked))


def test_a_validation_report_takes_no_place_of_data_or_page(
    bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    before = labelled.read_bytes()
    page = tmp_path / "page.html"
    for place, said in ((labelled, "write over the input"), (page, "are the same file")):
        with pytest.raises(ConfigError, match=said):
            report(bundle, labelled, page, options=EvaluateOptions(report=place))
    with pytest.raises(ConfigError, match="must be at least 1"):
        report(bundle, labelled, page, options=EvaluateOptions(threads=0))
    assert labelled.read_bytes() == before
    assert not page.exists()


def test_the_command_writes_beside(
    bundle: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["report", str(bundle), str(labelled), "--json"], obj={})
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["result"]["rows"] == 110
    assert (tmp_path / "shops-model-report.html").is_file()


# Facts of a bundle that anybody made


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        if isinstance(one, dict | list) and one:
            yield from leaves(one, (*path, key))
        else:
            yield (*path, key)


def changed(facts: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(facts)
    place: Any = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return found


HOSTILE = (EVIL, -1, 10**15, 1e308, float("nan"), None, [], {}, [EVIL], True)


def rewritten(bundle: Path, place: Path, facts: Any) -> Path:
    """A copy of the bundle with other facts and digests that fit."""
    shutil.copytree(bundle, place)
    (place / "report.json").write_text(json.dumps(facts), encoding="utf-8")
    data = json.loads((place / MANIFEST).read_bytes())
    (place / MANIFEST).unlink()
    own = {name: one for name, one in data.items() if name not in ("files", "format", "digest")}
    write_manifest(place, own)
    return place


@pytest.mark.parametrize("facts", [{"result": 3}, {"result": {}}, {"about": {"left_out": 3}}, []])
def test_facts_that_are_no_report_are_refused(bundle: Path, tmp_path: Path, facts: Any) -> None:
    facts = {"format": 1, **facts} if isinstance(facts, dict) else facts
    foreign = rewritten(bundle, tmp_path / "foreign", facts)
    with pytest.raises(BundleError, match=r"report\.json"):
        report(foreign, output=tmp_path / "page.html")


OWN = ("about", "result", "data", "race", "decisions")


def test_hostile_facts_are_refused_or_inert(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from automl.model.reading import understood

    facts = {name: one for name, one in stored(bundle).items() if name in OWN}
    rng = np.random.default_rng(0)
    paths = list(leaves(facts))
    drawn = 0
    for k in rng.permutation(len(paths))[:120]:
        value = HOSTILE[int(rng.integers(len(HOSTILE)))]
        try:
            with understood(bundle / "report.json"):
                page = report_page(changed(facts, paths[int(k)], value))
        except BundleError:
            continue
        drawn += 1
        assert_inert(page)
        assert len(page) < 1_000_000
    assert drawn > 20


def test_a_section_that_cannot_be_made_does_not_cost_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("somewhere in it")

    monkeypatch.setattr("automl.workflows.facts.CONTAINED", (Exception,))
    monkeypatch.setattr("automl.insight.race.facts", broken)
    place = fitted(tmp_path / "model", trials=1)
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "<b>Failed:</b> Race could not be made" in page
    assert 'id="performance"' in page
    ledger = (place / "ledger.jsonl").read_text(encoding="utf-8")
    assert "the section 'race' could not be made" in ledger
    assert "ZeroDivisionError: somewhere in it" in ledger


def test_facts_are_json_that_every_program_reads(bundle: Path) -> None:
    strange: list[str] = []
    found = json.loads((bundle / "report.json").read_bytes(), parse_constant=strange.append)
    assert not strange
    assert set(OWN) <= set(found)
