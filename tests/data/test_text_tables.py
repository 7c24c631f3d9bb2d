"""Tests of automl.data.sources._texts: columns of text are typed as the frame of them is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.contract import Check
from automl.data.infer import infer_schema
from automl.data.parse import parse_table
from automl.data.read import ReadOptions, TextTable, read_chunks
from automl.errors import DataError

TRAIN = pd.DataFrame(
    {
        "size": np.sqrt(np.arange(60)),
        "price": [f"{i / 8:.3f} €" for i in range(60)],
        "zip": [["01234", "98765", "00007"][i % 3] for i in range(60)],
        "code": pd.Categorical([[1, 2, 30][i % 3] for i in range(60)]),
        "member": [["no", "yes", "yes"][i % 3] for i in range(60)],
        "day": [f"{i % 28 + 1:02d}/01/2020" for i in range(60)],
        "note": [f"some words about number {i}" for i in range(60)],
    }
)
SCHEMA, _ = infer_schema(TRAIN)
WORDS = (
    "1",
    "2.5",
    "+3",
    "-.5",
    "1e999",
    "nan",
    "x",
    "01234",
    "1.0",
    "yes",
    "NO",
    "3,5",
    "\u00a07",
)
WORDS += ("05/01/2020", "2020-01-05", "1.500 €", "1.234", "NA", "?", "", "-")
WORDS += ("some words", "30.0")
CELLS = st.tuples(st.sampled_from(("", " ", "\t", "\u2003")), st.sampled_from(WORDS)).map(
    lambda parts: parts[0] + parts[1] + parts[0]
)
ROWS = st.lists(st.lists(CELLS, min_size=7, max_size=7), min_size=1, max_size=40)


def outcome(table, mode):
    try:
        parsed = parse_table(table, SCHEMA, mode=mode)
    except DataError as error:
        return str(error)
    check = Check(SCHEMA, "y")
    check.add(table, parsed, 1)
    values = [
        column.tolist() if isinstance(column, pd.Series) else (column.dtype, column.tolist())
        for column in parsed.values.values()
    ]
    return repr((values, parsed.bad, parsed.n_bad, parsed.wrong, check.to_json()))


@settings(deadline=None, max_examples=60)
@given(
    rows=ROWS,
    mode=st.sampled_from(("default", "strict")),
    options=st.sampled_from(
        (
            ReadOptions(delimiter=";", header=True),
            ReadOptions(delimiter=";", header=True, decimal=","),
            ReadOptions(delimiter=";", header=True, keep_na=True, na_values=("x",)),
        )
    ),
)
def test_texts_are_typed_like_their_frame(tmp_path_factory, rows, mode, options):
    path = tmp_path_factory.mktemp("texts") / "t.csv"
    lines = [";".join(TRAIN.columns), *map(";".join, rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for table in read_chunks(path, options=options, chunk_rows=7):
        assert isinstance(table.cells, TextTable)
        assert table.cells.columns == list(table.frame.columns)
        assert len(table.cells) == len(table.frame)
        assert outcome(table.cells, mode) == outcome(table.frame, mode)


def test_one_column_is_made_without_the_others(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n 1 ,x\nNA,?\n3,z\n", encoding="utf-8")
    (table,) = read_chunks(path)
    assert table.cells["a"].tolist()[::2] == ["1", "3"]
    assert "frame" not in vars(table.cells)
    pd.testing.assert_series_equal(table.cells["b"], table.frame["b"])
    with pytest.raises(KeyError, match="c"):
        table.cells["c"]
