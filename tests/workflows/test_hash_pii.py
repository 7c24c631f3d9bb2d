"""`--hash-pii` keeps categories of personal data as keyed hashes: no file spells a level."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.cli.main import main
from automl.config import FitConfig
from automl.data.cells import read_cells
from automl.data.hashing import column_key, hashed
from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.data.schema import Column, Drop, Kind, Schema
from automl.errors import BundleError, ConfigError
from automl.ledger import Ledger, Silent
from automl.model.reading import _schema
from automl.workflows.training_table import TrainingTable, load_training_table

NAMES = ("Ito", "Meyer", "Okafor")


def people(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    name = rng.choice(NAMES, n)
    x = rng.normal(size=n) + 2.0 * (name == "Ito")
    return pd.DataFrame(
        {
            "x": x,
            "last_name": name,
            "mail": [f"person{i}@example.org" for i in range(n)],
            "note": [f"call me at person{i}@example.org about my order {i}" for i in range(n)],
            "birthday": pd.date_range("1950-01-01", periods=n, freq="50D").astype(str),
            "colour": rng.choice(["red", "blue"], n),
            "y": np.where(x + rng.normal(size=n) > 0.7, "yes", "no"),
        }
    )


def loaded(frame: pd.DataFrame | None = None, **options: object) -> tuple[TrainingTable, Ledger]:
    ledger = Ledger(Silent())
    config = FitConfig(target="y", hash_pii=True, **options)  # type: ignore[arg-type]
    table = people() if frame is None else frame
    return load_training_table(table, config, ledger), ledger


def by_name(schema: Schema) -> dict[str, Column]:
    return {column.name: column for column in schema.columns}


def test_categories_are_hashed_and_the_rest_is_left_out() -> None:
    table, ledger = loaded()
    columns = by_name(table.schema)
    assert [name for name, column in columns.items() if column.used] == [
        "x",
        "last_name",
        "colour",
    ]
    name = columns["last_name"]
    assert name.kind is Kind.CATEGORICAL
    assert len(name.levels) == 3
    assert not set(name.levels) & set(NAMES)
    assert all(level.startswith("h") and len(level) == 21 for level in name.levels)
    assert set(columns["colour"].levels) == {"red", "blue"}
    for left_out in ("mail", "note", "birthday"):
        assert columns[left_out].drop in (Drop.USER, Drop.IDENTIFIER)
        assert columns[left_out].levels == ()
        assert columns[left_out].minimum is None
    said = " ".join(f"{entry.decision} {entry.reason}" for entry in ledger.decisions)
    assert "'last_name' is used as keyed hashes --hash-pii: names of persons" in said


def test_new_cells_are_hashed_with_the_same_key() -> None:
    table, _ = loaded()
    rows = people().drop(columns="y").head(30).copy()
    rows.loc[4, "last_name"] = "Nobody"
    rows.loc[5, "last_name"] = None
    index = table.schema.names.index("last_name")
    found = parse_table(rows, table.schema).values[index]
    expected = np.asarray(table.parsed.values[index])[:30].copy()
    expected[4], expected[5] = -2, -1
    assert found.tolist() == expected.tolist()
    # What stands in the schema is no way in: a hash is a name like any other.
    rows["last_name"] = table.schema.columns[index].levels[0]
    assert set(parse_table(rows, table.schema).values[index].tolist()) == {-2}


def test_the_key_is_of_the_table_and_the_seed() -> None:
    def key(**options: object) -> str:
        return by_name(loaded(**options)[0].schema)["last_name"].hash_key

    other = people()
    other.loc[0, "last_name"] = "Smith"
    assert key() == key()
    assert key() != key(seed=1)
    assert key() != by_name(loaded(other)[0].schema)["last_name"].hash_key


def test_numbers_and_their_texts_are_one_level() -> None:
    cells = read_cells(pd.Series([7, 8, 8, 9]))
    frame = pd.DataFrame({"code": [7, 8, 8, 9]})
    schema, parsed = infer_schema(frame, hash_keys={"code": column_key(cells, 0)})
    texts = pd.DataFrame({"code": ["7", "8.0", "8", "9"]})
    assert parse_table(texts, schema).values[0].tolist() == parsed.values[0].tolist()
    assert "8" not in schema.columns[0].levels


def test_copies_of_a_column_are_still_found() -> None:
    frame = people().assign(surname=lambda t: t["last_name"])
    assert by_name(loaded(frame)[0].schema)["surname"].drop is Drop.DUPLICATE


def test_hashes_differ_by_key_and_never_look_like_numbers() -> None:
    texts = np.array(["a", "b"], dtype=object)
    first, second = hashed(texts, "0" * 64), hashed(texts, "1" * 64)
    assert len({*first, *second}) == 4
    assert all(text[0] == "h" for text in first)


def test_a_column_that_the_user_calls_a_category_is_hashed_too() -> None:
    columns = by_name(loaded(column={"mail": "categorical"})[0].schema)
    assert columns["mail"].hash_key
    assert not any("@" in level for level in columns["mail"].levels)
    kept = by_name(loaded(column={"birthday": "datetime"})[0].schema)["birthday"]
    assert (kept.used, kept.hash_key) == (True, "")


def test_both_options_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="--drop-pii and --hash-pii exclude each other"):
        FitConfig(target="y", drop_pii=True, hash_pii=True)


def test_groups_of_a_hashed_column_are_hashes() -> None:
    table, _ = loaded(sensitive=("last_name",))
    labels = [label for groups in table.sensitive for label in groups.labels]
    assert len(labels) >= 3
    assert not any(name in label for name in NAMES for label in labels)


@pytest.mark.parametrize("key", ["zz", "A" * 64, 7, None])
def test_a_schema_with_another_key_is_refused(key: object) -> None:
    data = loaded()[0].schema.to_json()
    data["columns"][1]["hash_key"] = key
    with pytest.raises((BundleError, ValueError), match="hash"):
        _schema(data)


def test_no_file_of_the_bundle_spells_a_level(tmp_path: Path) -> None:
    data, bundle = tmp_path / "people.csv", tmp_path / "model"
    people().to_csv(data, index=False)
    options = ["--trials", "2", "--engines", "linear,lightgbm", "--hash-pii", "-q"]
    assert main(["fit", str(data), "-t", "y", "-o", str(bundle), *options]) == 0
    for path in bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for word in (*NAMES, "example.org", "1950-01-01"):
                assert word.encode() not in content, f"{word} in {path.name}"
    predictor = automl.load(bundle)
    rows = people().drop(columns="y")
    proba = predictor.predict_proba(rows)
    hidden = rows.assign(last_name="Nobody")
    assert np.abs(proba - predictor.predict_proba(hidden)).max() > 0.01, "it is used"
    assert np.array_equal(proba, predictor.predict_proba(rows))
    reasons = predictor.explain(rows.head(3))
    assert reasons.data["last_name"].tolist() == rows["last_name"].head(3).tolist()
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "makes nobody anonymous" in card
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert "MODEL_CARD.md" in manifest["files"]
    assert "parent" not in manifest
