"""Which text cells are numbers, beyond the first rows that are looked at more closely."""

from __future__ import annotations

import pyarrow as pa
import pytest

from automl.data.sources._text_cells import to_numbers

PLAIN = ("0", "-0", "12", "-7", "9007199254740993")
FRACTIONS = ("0.5", "-.5", "1.", "1e5", "1E+5", "0e5", "1.e5", "1e-400")
OTHERS = ("+1", "00", "007", "-01", "00.5", "0x10", "0X1f", "-0x10", "1_0", "1d5", " 1", "1 ")
OTHERS += (
    "--1",
    "1e",
    "-",
    "",
    "inf",
    "-Infinity",
    "nan",
    "1,5",
    "1e400",
    "９",
    "1\n",
    ".",
    ".e5",
)


def behind_many(*cells: str) -> pa.ChunkedArray:
    """Cells in a chunk of their own behind 3,000 plain numbers."""
    return pa.chunked_array([pa.array(["1", None, "25"] * 1000), pa.array(cells, pa.string())])


@pytest.mark.parametrize("cell", FRACTIONS)
def test_a_fraction_makes_the_column_float(cell: str) -> None:
    found = to_numbers(behind_many(cell))
    assert found is not None
    assert found.type == pa.float64()
    assert found[-1].as_py() == float(cell)


@pytest.mark.parametrize("cell", PLAIN)
def test_whole_numbers_stay_whole(cell: str) -> None:
    found = to_numbers(pa.chunked_array([pa.array(["1"] * 3000), pa.array([cell])]))
    assert found is not None
    assert found.type == pa.int64()
    assert found[-1].as_py() == int(cell)


@pytest.mark.parametrize("cell", OTHERS)
@pytest.mark.parametrize("beside", ["3", "0.5"])
def test_any_other_cell_keeps_the_column_text(cell: str, beside: str) -> None:
    assert to_numbers(behind_many(beside, cell)) is None


def test_integers_beyond_int64_stay_text_but_not_beside_fractions() -> None:
    assert to_numbers(behind_many("9" * 25)) is None
    found = to_numbers(behind_many("9" * 25, "0.5"))
    assert found is not None
    assert found[-2].as_py() == 1e25
