"""Find out how delimited text is written: delimiter, quote, preamble, header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from automl.data.sources._text import Text
from automl.data.sources.base import ReadOptions
from automl.errors import ConfigError, DataError

# In order of preference between delimiters that explain the sample equally well.
DELIMITERS = ("\t", ";", "|", ",")
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", " ": "space"}
# What Excel writes, and wants, in the first line of a file with another delimiter than its own.
_SEPARATOR_LINE = re.compile(r'("?)sep=(.)\1,*', re.IGNORECASE)
_MARK = "\ufeff"
_SAMPLE_CHARACTERS = 1 << 18
_SAMPLE_LIMIT = 1 << 26
_SAMPLE_RECORDS = 500

Record = list[str]


@dataclass(frozen=True)
class Dialect:
    """How the text is written, and what its first lines say.

    header: the texts of the header, or None if the first row is data.
    width: fields per row; one more than columns where every row ends with a delimiter.
    n_columns: columns of the table.
    start: where the first data row begins, in bytes of the UTF-8 text.
    lines: lines before the first data row.
    """

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    header: tuple[str, ...] | None = None
    width: int = 0
    n_columns: int = 0
    start: int = 0
    lines: int = 0
    notes: tuple[str, ...] = ()

    @property
    def spoken(self) -> str:
        """The delimiter for people."""
        return _NAMES.get(self.delimiter, repr(self.delimiter))


def find_dialect(text: Text, options: ReadOptions) -> Dialect:
    """The dialect of `text`; the delimiter and the header of `options` are taken as given.

    Raises ConfigError for an impossible delimiter, DataError for a file without any row.
    """
    delimiter = options.delimiter
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii()):
        raise ConfigError(
            f"The delimiter {delimiter!r} is not a single ASCII character.",
            hint="Use one of ',', ';', a tab or '|'.",
        )
    if delimiter is not None and delimiter in "\"'\r\n":
        raise ConfigError(f"{delimiter!r} cannot be a delimiter.", hint="Use ',', ';' or '|'.")
    with any_field_size():
        return _find(text, options)


def records(lines: Iterator[str], dialect: Dialect) -> Iterator[tuple[int, int, Record]]:
    """(lines before it, lines up to its end, fields) of each record.

    A blank line is none, except that it is an empty cell in a table known to have one column.
    """
    last = ""

    def watched() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    reader = csv.reader(
        watched(),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
    )
    start = 0
    for fields in reader:
        # A line of two quotes is a row with an empty cell.
        if dialect.width == 1 or len(fields) > 1 or last.strip():
            yield start, reader.line_num, fields or [""]
        start = reader.line_num


@contextmanager
def any_field_size() -> Iterator[None]:
    """Inside, `records` takes cells longer than the csv module's usual limit of 128 KiB."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


@dataclass(frozen=True)
class _Fit:
    """The records of the sample under one dialect, and how well they agree."""

    dialect: Dialect
    records: tuple[Record, ...]
    ends: tuple[int, ...]  # lines read after each record
    share: float  # of records with the usual width; 0 if that or the header's is one
    n_quoted: int = 0  # cells wrapped in the quote, properly under this delimiter


def _find(text: Text, options: ReadOptions) -> Dialect:
    lines, complete, mark = _sample(text)
    skipped, declared = _preamble(lines)
    delimiter = options.delimiter or declared
    known = (delimiter,) if delimiter else DELIMITERS
    fits = [_fit(lines[skipped:], mark, complete) for mark in known]
    found = max(fits, key=lambda fit: (fit.share, fit.n_quoted))
    if found.share == 0:  # one column; the last one known is the comma
        found = fits[-1]
    if not found.records:
        raise DataError(f"{text.origin.name} has no rows.", hint="Give a table with rows in it.")
    preamble: tuple[str, ...] = ()
    may_be_header = skipped and options.header is not False
    if may_be_header and _comment_is_header(lines[skipped - 1], found):
        skipped -= 1
        header = lines[skipped].lstrip().removeprefix("#")
        found = _fit([header, *lines[skipped + 1 :]], found.dialect.delimiter, complete)
        preamble = ("the line that begins with '#' was taken as the header",)
    elif skipped:
        preamble = (f"skipped {skipped} line{'s' * (skipped > 1)} before the table",)
    is_data = _first_is_data(found, options)
    dialect = _with_header(found, lines, skipped, preamble, is_data=is_data)
    return replace(dialect, start=dialect.start + _size([mark]))


def _sample(text: Text) -> tuple[list[str], bool, str]:
    """Some first lines of the text, whether they are all of it, and what stands before them.

    Line ends are kept. A byte order mark that the codec leaves in is no part of the first line.
    """
    with text.open() as stream:
        sample, size = "", _SAMPLE_CHARACTERS
        while True:
            more = stream.read(size - len(sample))
            sample += more
            complete = len(sample) < size
            lines = list(io.StringIO(sample, newline=""))
            # A table with very many columns needs a longer sample to hold its first rows.
            if complete or len(lines) > 8 or size >= _SAMPLE_LIMIT:
                break
            size *= 4
    mark = _MARK if sample.startswith(_MARK) else ""
    if mark:
        lines[0] = lines[0].removeprefix(mark)
    return (lines if complete or len(lines) == 1 else lines[:-1]), complete, mark


def _preamble(lines: Sequence[str]) -> tuple[int, str | None]:
    """How many lines before the table hold nothing or a comment; the delimiter if one says so."""
    declared = None
    for number, line in enumerate(lines):
        stated = _SEPARATOR_LINE.fullmatch(line.strip("\r\n")) if number == 0 else None
        if stated:
            declared = stated[2]
        elif line.strip() and not _is_comment(line):
            return number, declared
    if any(line.strip() for line in lines):
        return _only_comments(lines), declared
    return len(lines), declared


def _only_comments(lines: Sequence[str]) -> int:
    """All lines begin with '#': then that is how the cells begin."""
    return next(number for number, line in enumerate(lines) if line.strip())


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _comment_is_header(line: str, found: _Fit) -> bool:
    """Whether a commented line before the first row names the columns of that row."""
    if not _is_comment(line):
        return False
    names = next(records(iter([line]), found.dialect))[2]
    first = found.records[0]
    is_close = not line.lstrip()[1:2].isspace()
    return 1 < len(names) == len(first) and (is_close or any(map(_is_number, first)))


def _fit(lines: Sequence[str], delimiter: str, complete: bool) -> _Fit:
    quote, n_quoted = _quote(lines, delimiter)
    dialect = Dialect(delimiter, quote=quote)
    found = replace(_agreement(lines, dialect, complete), n_quoted=n_quoted)
    marked = "\\" + dialect.quote
    if found.share < 1 and any(marked in line for line in lines):
        escaped = _agreement(lines, replace(dialect, escape="\\"), complete)
        if escaped.share > found.share:
            return escaped
    return found


def _agreement(lines: Sequence[str], dialect: Dialect, complete: bool) -> _Fit:
    rows: list[Record] = []
    ends: list[int] = []
    for _, end, fields in records(iter(lines), dialect):
        rows.append(fields)
        ends.append(end)
        if len(rows) == _SAMPLE_RECORDS:
            break
    if not complete and len(rows) > 1 and ends[-1] == len(lines):
        del rows[-1], ends[-1]  # may be cut off
    if not rows:
        return _Fit(dialect, (), (), share=0.0)
    widths = Counter(len(row) for row in rows)
    modal = max(widths, key=lambda width: (widths[width], width))
    share = widths[modal] / len(rows) if modal > 1 and len(rows[0]) > 1 else 0.0
    if abs(len(rows[0]) - modal) > 1:  # a last delimiter explains one field, not more
        share /= 100
    return _Fit(replace(dialect, width=modal), tuple(rows), tuple(ends), share)


def _quote(lines: Sequence[str], delimiter: str) -> tuple[str, int]:
    """The quote character, and how many cells are wrapped in it.

    It is ' only if cells are wrapped in it, always properly, and none in ".
    """
    sample = "".join(lines[: _SAMPLE_RECORDS * 2])[: 4 * _SAMPLE_CHARACTERS]
    n_double = _wrapped(sample, delimiter, '"')[0] if '"' in sample else 0
    if n_double or "'" not in sample:
        return '"', n_double
    wrapped, opened = _wrapped(sample, delimiter, "'")
    return ("'", wrapped) if 0 < wrapped == opened else ('"', 0)


def _wrapped(sample: str, delimiter: str, quote: str) -> tuple[int, int]:
    """How many cells are wrapped in `quote`, and how many begin with it."""
    edge = re.escape(delimiter)
    whole = rf"(?:(?<=[\n\r{edge}])|\A){quote}(?:[^{quote}]|{quote}{quote})*{quote}"
    wrapped = re.findall(rf"{whole}(?=[\n\r{edge}]|\Z)", sample)
    # Cells that begin with a quote, not counting those inside of wrapped cells.
    outside = re.sub(rf"{whole}(?=[\n\r{edge}]|\Z)", "", sample)
    opened = re.findall(rf"(?:(?<=[\n\r{edge}])|\A){quote}", outside)
    return len(wrapped), len(wrapped) + len(opened)


def _first_is_data(found: _Fit, options: ReadOptions) -> bool:
    """Whether the first record is a row: as said, else unless it holds a known or any name."""
    if options.header is not None:
        return not options.header
    first, rest = found.records[0], found.records[1:]
    if options.known_names.intersection(cell.strip() for cell in first):
        return False
    if options.nameless:
        return True
    counted = _is_counted(first) and any(not _is_counted(row) for row in rest)
    return _is_data(first) and not counted


def _with_header(
    found: _Fit, lines: Sequence[str], skipped: int, preamble: tuple[str, ...], *, is_data: bool
) -> Dialect:
    """The dialect with what the first record and the widths of the others say."""
    first, rest = found.records[0], found.records[1:]
    dialect, notes = found.dialect, list(preamble)
    if dialect.delimiter != ",":
        notes.append(f"delimiter: {dialect.spoken}")
    if dialect.quote != '"':
        notes.append(f"cells are quoted with {dialect.quote}")
    if dialect.escape:
        notes.append("quotes inside cells are escaped with a backslash")
    if is_data:
        width = found.dialect.width if rest else len(first)
        notes.append("no header: the columns are named column_1, column_2, …")
        extra = int(width > 1 and all(not row[-1].strip() for row in found.records))
        return replace(
            dialect,
            width=width,
            n_columns=width - extra,
            start=_size(lines[:skipped]),
            lines=skipped,
            notes=tuple(notes),
        )
    end = skipped + found.ends[0]
    header, width = tuple(first), _data_width(first, rest)
    if width == len(header) - 1:
        header = header[:-1]  # only the header ends with a delimiter
    return replace(
        dialect,
        header=header,
        width=width,
        n_columns=len(header),
        start=_size(lines[:end]),
        lines=end,
        notes=tuple(notes),
    )


def _data_width(header: Record, rows: Sequence[Record]) -> int:
    """Fields per data row: as many as the header's, or one more or less for a last delimiter."""
    if not rows:
        return len(header)
    if all(len(row) == len(header) + 1 and not row[-1].strip() for row in rows):
        return len(header) + 1
    if not header[-1].strip() and all(len(row) == len(header) - 1 for row in rows):
        return len(header) - 1
    return len(header)


def _is_data(row: Record) -> bool:
    """A first row without any name: numbers and empty cells."""
    cells = [cell.strip() for cell in row]
    return any(cells) and all(not cell or cell == "?" or _is_number(cell) for cell in cells)


def _is_counted(row: Record) -> bool:
    """A row 0, 1, 2, …: the header of a table whose columns never had names."""
    return len(row) > 2 and row == [str(number) for number in range(len(row))]


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell.strip()) is not None


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8")) for line in lines)
