"""The terms of texts as operators of ONNX: texts as numbers, one per letter, and groups of these.

A word is a group of letters between two blanks, and so is a pair of words: whatever stands
between two words counts as one blank. Lower case is made letter by letter, which differs from
Python's only for two letters of Turkish and Greek (capital dotted I, capital sigma at an end).

Notation: L = characters of the longest text, V = terms.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Final

import numpy as np

from automl.export._onnx_graph import Graph
from automl.export.program import Terms

_NAN: Final = float("nan")
_BLANK, _LETTER = 0, 1  # what stands between words; a letter that no term has
_NO_CHARACTER: Final = ("Cn", "Co", "Cs")  # not assigned, private, half of a character
_FAR: Final = 1 << 32  # beyond every place in a text


def columns_of_text(graph: Graph, step: Terms, cell: str) -> dict[int, str]:
    """The columns of a text: its sizes, then its place on the axes of its terms."""
    # A row of its own at the top, since no row has no characters either.
    cell = graph.op("Concat", np.array([["a"]], dtype=object), cell, axis=0)
    letters = sorted(set("".join(step.terms)) - {" "})
    characters, codes = _characters(graph, cell, letters)
    made = [
        _length(graph, characters) if size == "length" else _words(graph, codes)
        for size in step.sizes
    ]
    if len(step.axes):
        weights = _weights(graph, step, codes, letters)
        placed = graph.op("MatMul", weights, np.ascontiguousarray(step.axes.T))
        places = np.arange(len(step.axes))
        made += [graph.op("Gather", placed, np.array([i]), axis=1) for i in places]
    missing = graph.op("Equal", cell, np.array("", dtype=object))
    values = [graph.op("Where", missing, _NAN, graph.single(each)) for each in made]
    values = [graph.below_first(each) for each in values]
    return dict(zip(step.out, values, strict=True))


def _characters(graph: Graph, cell: str, letters: list[str]) -> tuple[str, str]:
    """(rows, L) characters, '' behind the end; and their numbers, blanks behind the end."""
    cut = graph.op("Tokenizer", cell, mark=0, pad_value="", separators=[""], mincharnum=1)
    characters = graph.op("Squeeze", cut, np.array([1]))
    numbers = {letter: i for i, letter in enumerate(letters, _LETTER + 1)}
    keys, values = [""], [_BLANK]
    for character, small in _lower_case():
        number = numbers.get(small, _LETTER if _in_word(small) else _BLANK)
        if number != _LETTER:
            keys.append(character)
            values.append(number)
    codes = graph.op(
        "LabelEncoder",
        characters,
        keys_tensor=np.array(keys, dtype=object),
        values_tensor=np.array(values, dtype=np.int64),
        default_tensor=np.array([_LETTER], dtype=np.int64),
    )
    return characters, codes


@cache
def _lower_case() -> tuple[tuple[str, str], ...]:
    """All characters, each with its lower case."""
    every = (chr(point) for point in range(sys.maxunicode + 1))
    known = (each for each in every if unicodedata.category(each) not in _NO_CHARACTER)
    return tuple((each, each.lower()) for each in known)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _length(graph: Graph, characters: str) -> str:
    """(rows, 1) characters of each text."""
    there = graph.op("Not", graph.op("Equal", characters, np.array("", dtype=object)))
    return graph.op("ReduceSum", graph.cast(there, np.float64), np.array([1]), keepdims=1)


def _words(graph: Graph, codes: str) -> str:
    """(rows, 1) words of each text: letters that have a blank before them."""
    inside = graph.op("Greater", _bordered(graph, codes), np.array(_BLANK))
    before = graph.op("Slice", inside, np.array([0]), np.array([-1]), np.array([1]))
    here = graph.op("Slice", inside, np.array([1]), np.array([_FAR]), np.array([1]))
    first = graph.op("And", here, graph.op("Not", before))
    return graph.op("ReduceSum", graph.cast(first, np.float64), np.array([1]), keepdims=1)


def _bordered(graph: Graph, codes: str) -> str:
    """(rows, L + 2) numbers with a blank before and behind."""
    # Blanks of every row, of a width of one whatever L is.
    blank = graph.op("ReduceSum", graph.op("Mul", codes, np.array(0)), np.array([1]), keepdims=1)
    return graph.op("Concat", blank, codes, blank, axis=1)


def _single_blanks(graph: Graph, codes: str) -> str:
    """The same numbers with one blank where there are several; the rest of them goes to the end.

    codes: (rows, n) with a blank first.
    """
    blank = graph.op("Equal", codes, np.array(_BLANK))
    before = graph.op("Slice", blank, np.array([0]), np.array([-1]), np.array([1]))
    here = graph.op("Slice", blank, np.array([1]), np.array([_FAR]), np.array([1]))
    # The first number stays where it is.
    first = graph.op("Slice", blank, np.array([0]), np.array([1]), np.array([1]))
    again = graph.op("And", here, before)
    again = graph.op("Concat", graph.op("And", first, graph.op("Not", first)), again, axis=1)
    count = graph.op("Gather", graph.op("Shape", codes), np.array([1]))
    place = graph.op("Range", np.array(0), graph.op("Squeeze", count), np.array(1))
    rank = graph.op("Add", place, graph.op("Mul", graph.cast(again, np.int64), np.array(_FAR)))
    _, order = graph.ops("TopK", rank, count, n_outputs=2, axis=1, largest=0, sorted=1)
    return graph.op("GatherElements", codes, order, axis=1)


def _weights(graph: Graph, step: Terms, codes: str, letters: list[str]) -> str:
    """(rows, V) weights of the terms, of length 1 in each text that has any."""
    first = graph.op("Slice", codes, np.array([0]), np.array([step.most]), np.array([1]))
    line = _bordered(graph, first)
    if step.analyzer == "words":
        line = _single_blanks(graph, line)
    counts = graph.cast(_counts(graph, line, _groups(step, letters)), np.float64)
    found = graph.cast(graph.op("Greater", counts, 0.0), np.float64)
    grown = graph.op("Add", graph.op("Log", graph.op("Max", counts, 1.0)), 1.0)
    weights = graph.op("Mul", graph.op("Mul", grown, step.idf.reshape(1, -1)), found)
    squares = graph.op("ReduceSum", graph.op("Mul", weights, weights), np.array([1]), keepdims=1)
    lengths = graph.op("Sqrt", squares)
    none = graph.op("Equal", lengths, 0.0)
    return graph.op("Div", weights, graph.op("Where", none, 1.0, lengths))


def _groups(step: Terms, letters: list[str]) -> list[list[int]]:
    """The letters of each term as numbers."""
    numbers = {" ": _BLANK} | {letter: i for i, letter in enumerate(letters, _LETTER + 1)}

    def numbered(text: Iterable[str]) -> list[int]:
        return [numbers[letter] for letter in text]

    if step.analyzer == "words":
        return [numbered(f" {term} ") for term in step.terms]
    return [numbered(term) for term in step.terms]


def _counts(graph: Graph, line: str, groups: list[list[int]]) -> str:
    """(rows, V) how often each group stands in the line."""
    order = sorted(range(len(groups)), key=lambda i: len(groups[i]))
    longest = len(groups[order[-1]])
    sizes = np.bincount([len(group) for group in groups], minlength=longest + 1)[1:]
    ends = np.cumsum(sizes * np.arange(1, longest + 1))
    return graph.op(
        "TfIdfVectorizer",
        line,
        mode="TF",
        min_gram_length=len(groups[order[0]]),
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=[0, *ends[:-1].tolist()],
        ngram_indexes=order,
        pool_int64s=[number for i in order for number in groups[i]],
    )
