"""The page's shell, its files, and the facts that its form is made from."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from made_service import COLUMNS, Made, levels, number

from automl.data.schema import Column, Kind
from automl.serve import page

LONG = tuple(f"{i:05d}" + "x" * 10_000 for i in range(20))


def test_the_shell_says_nothing_of_a_model_and_runs_only_its_own_files() -> None:
    text = page.document("../../").decode()
    places = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert len(places) > 10
    assert all(place.startswith(f"../../page/{page.digest()}/") for place in places)
    assert not re.search(r"<script(?![^>]* src=)|<style| on[a-z]+=|style=", text)
    policy = page.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for place in places:
        assert page.asset(place.removeprefix("../../page/")) is not None


def test_files_name_no_place_outside_and_make_no_html() -> None:
    folder = Path(page.__file__).with_name("page_files")
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(
            r"https?://|innerHTML|outerHTML|insertAdjacent|eval\(|url\(['\"]?h", text
        )
    for script in folder.glob("*.js"):
        found = re.findall(r'from "\./([a-z]+\.js)"', script.read_text(encoding="utf-8"))
        assert {path.name for path in folder.glob("*.js")} >= set(found)


def test_only_files_of_this_digest_are_there() -> None:
    found = page.asset(f"{page.digest()}/main.js")
    assert found is not None
    assert "immutable" in found.headers["Cache-Control"]
    for path in ("", "main.js", "0/main.js", f"{page.digest()}/../page.py", f"{page.digest()}/"):
        assert page.asset(path) is None


def test_the_form_has_the_strongest_column_first_and_the_usual_cells() -> None:
    found = Made().facts()
    assert [one["name"] for one in found["columns"]] == [
        "age",
        "colour",
        "member",
        "since",
        "remark",
    ]
    assert [one["usual"] for one in found["columns"]] == [53.5, "red", "no", 17200.0, None]
    assert found["unused"] == [["id", "identifier", "names its rows"]]
    assert (found["threshold"], found["positive"]) == (0.4, "yes")
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("column", "usual"),
    [
        (number("n", 0, 40), 20.0),
        (number("n", 0, 1, missing=0.7), None),
        (levels("c"), None),
        (Column("c", Kind.NUMERIC, "number", ""), None),
        (Column("b", Kind.BOOLEAN, "text", "", levels=("n", "y"), counts=(1, 5)), "y"),
    ],
)
def test_the_usual_cell_is_one_that_rows_have(column: Column, usual: float | str | None) -> None:
    assert Made(columns=(column,)).facts()["columns"][0]["usual"] == usual


def test_many_long_or_hidden_levels_do_not_fill_the_page() -> None:
    many = levels("many", *(f"l{i}" for i in range(5000)))
    hidden = Column("mail", Kind.CATEGORICAL, "text", "", levels=("ab12",), hash_key="k")
    found = Made(columns=(many, levels("long", *LONG), hidden)).facts()["columns"]
    assert [one["n_levels"] for one in found] == [5000, 20, 1]
    assert len(found[0]["levels"]) == 400
    assert len(found[1]["levels"]) == 5
    assert (found[2]["levels"], found[2]["usual"]) == ([], None)
    assert len(json.dumps(found)) < 200_000


def test_every_column_that_the_model_uses_is_a_field() -> None:
    names = {column.name for column in COLUMNS if column.used}
    assert {one["name"] for one in Made().facts()["columns"]} == names
