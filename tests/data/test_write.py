"""CSV lines written by Arrow are those that a CSV reader takes apart again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.write import writing

CELLS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def written(frames: list[pd.DataFrame], **more: object) -> bytes:
    stream = io.BytesIO()
    with writing(stream, "csv", **more) as writer:
        for frame in frames:
            writer.write(frame)
    return stream.getvalue()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELLS, FLOATS), min_size=1, max_size=5))
def test_texts_and_floats_come_back(rows):
    texts, floats = zip(*rows, strict=True)
    frame = pd.DataFrame({"a,b": pd.Series(texts, dtype="str"), "x": np.array(floats)})
    lines = written([frame, frame]).decode("utf-8")
    header, *found = list(csv.reader(io.StringIO(lines, newline="")))
    assert header == ["a,b", "x"]
    assert len(found) == 2 * len(rows)
    for (text, number), (text_found, number_found) in zip(rows * 2, found, strict=True):
        assert text_found == (text or "")
        assert (number_found == "") == np.isnan(number)
        assert np.isnan(number) or float(number_found) == number


def test_a_missing_cell_alone_in_its_line_is_no_blank_line():
    frame = pd.DataFrame({"a": pd.Series(["x", None], dtype="str")})
    assert written([frame]) == b'a\nx\n""\n'


def test_types_that_arrow_writes_otherwise_are_left_to_pandas(tmp_path: Path):
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-01-02"]), "flag": [True], "n": [7]})
    assert written([frame]) == b"day,flag,n\n2024-01-02,True,7\n"


def test_guarded_text_of_a_plain_table_is_quoted_after_the_apostrophe():
    frame = pd.DataFrame({"a": pd.Series(['=1+"2"', "ok"], dtype="str"), "x": [1.5, 2.0]})
    assert written([frame], excel_safe=True) == b'a,x\n"\'=1+""2""",1.5\nok,2\n'
