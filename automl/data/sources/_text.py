"""The text of a file: its encoding, found by one pass over all bytes, and readers of it."""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TextIO, cast

import pyarrow as pa

from automl.data.sources._foreign import looks_binary, refuse_foreign
from automl.data.sources._origin import Origin
from automl.errors import ConfigError, DataError, did_you_mean

_BLOCK_BYTES = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the first half of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ASCII = bytes(range(128))
_UTF8_LETTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
# In Western text that is not UTF-8, one letter beyond ASCII in so many may look like UTF-8.
_CHANCE = 20
_TAIL = 256  # bytes kept from the end of the text
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
_WITHOUT_BOM = {"utf-8": "utf-8-sig"}
# Text that is not in a file as UTF-8 is kept in memory up to this size.
_MEMORY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Text:
    """A file that is known to be text in `encoding`.

    encoding: a codec that also removes the byte order mark.  tail: the last characters.
    quotes: the quote characters (of " and ') that occur anywhere.
    """

    origin: Origin
    encoding: str
    tail: str
    quotes: frozenset[str]
    notes: tuple[str, ...] = ()

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """The decoded text; line ends as they are in the file."""
        with self.origin.open() as stream:
            text = io.TextIOWrapper(stream, self.encoding, newline="")
            try:
                yield text
            finally:
                text.detach()

    @contextmanager
    def open_utf8(self, skip: int = 0) -> Iterator[BinaryIO]:
        """The text as UTF-8 bytes, from byte `skip` (counted in UTF-8, without the mark) on."""
        with self.origin.open() as stream:
            if self.encoding not in _UTF8:
                stream = cast(BinaryIO, io.BufferedReader(_Recoded(stream, self.encoding)))
            elif self.origin.head.startswith(codecs.BOM_UTF8):
                skip += len(codecs.BOM_UTF8)
            while skip > 0:
                skip -= len(stream.read(min(skip, _BLOCK_BYTES)))
            yield stream

    @contextmanager
    def open_native(self, skip: int = 0) -> Iterator[pa.NativeFile]:
        """What `open_utf8` gives as a file of Arrow's own.

        Arrow reads ahead in threads. If they had to call Python for the bytes, a process that
        ends early, as after an error in the first rows, could be aborted by them.
        """
        path, is_utf8 = self.origin.stored_path, self.encoding in _UTF8
        if path is None or not is_utf8:
            with self.open_utf8(skip) as stream, _copied(stream) as copy:
                yield copy
            return
        if self.origin.head.startswith(codecs.BOM_UTF8):
            skip += len(codecs.BOM_UTF8)
        with pa.OSFile(path) as file:
            if self.origin.compression is None:
                file.seek(skip)
                yield file
                return
            with pa.CompressedInputStream(file, self.origin.compression) as stream:
                while skip > 0:
                    skip -= len(stream.read(min(skip, _BLOCK_BYTES)))
                yield stream


@contextmanager
def _copied(stream: BinaryIO) -> Iterator[pa.NativeFile]:
    """The rest of `stream`, in memory or in a temporary file."""
    block = stream.read(_MEMORY_BYTES)
    more = stream.read(1)
    if not more:
        yield pa.BufferReader(block)
        return
    number, path = tempfile.mkstemp(prefix="automl-", suffix=".csv")
    try:
        with os.fdopen(number, "wb") as copy:
            copy.write(block + more)
            del block
            shutil.copyfileobj(stream, copy, _BLOCK_BYTES)
        with pa.OSFile(path) as file:
            yield file
    finally:
        os.unlink(path)


class _Recoded(io.RawIOBase):
    """UTF-8 bytes of a stream in another encoding."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            block = self._stream.read(_BLOCK_BYTES)
            self._ended = not block
            self._ready = self._decoder.decode(block, self._ended).encode("utf-8")
        given = self._ready[: len(buffer)]
        self._ready = self._ready[len(given) :]
        buffer[: len(given)] = given
        return len(given)


def read_text(origin: Origin, encoding: str | None = None) -> Text:
    """The text of `origin`: in `encoding` if given, else by its byte order mark, else UTF-8,
    else Windows-1252 where that gives plausible text (with a note).

    Raises DataError if the bytes are no text, and ConfigError if `encoding` is unknown.
    """
    refuse_foreign(origin.head, origin.name)
    if encoding is not None:
        return _decoded(origin, _known_encoding(encoding))
    for mark, name in _BOMS:
        if origin.head.startswith(mark):
            return _decoded(origin, name)
    if b"\0" in origin.head:
        raise _binary(origin)
    try:
        return _decoded(origin, "utf-8")
    except _Undecodable as wrong:
        return _as_western(origin, wrong)


class _Undecodable(DataError):
    """Bytes that are not in the encoding; `line` is counted from 1."""

    def __init__(self, origin: Origin, encoding: str, line: int, found: bytes) -> None:
        code = found.hex(" ", 1).upper() or "the end of the file"
        super().__init__(
            f"{origin.name} is not {encoding.removesuffix('-sig').upper()} text: line {line} "
            f"holds the bytes {code}.",
            hint="Name the encoding, for example --encoding latin-1 or --encoding cp1251.",
        )
        self.line = line


def _known_encoding(encoding: str) -> str:
    try:
        "".encode(encoding)  # unlike codecs.lookup, refuses codecs that are not of text
    except (LookupError, ValueError):
        known = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1251", "shift_jis", "gb18030", "big5")
        raise ConfigError(
            f"Unknown encoding {encoding!r}.",
            hint=did_you_mean(encoding, known) or f"Some that are known: {', '.join(known)}.",
        ) from None
    name = codecs.lookup(encoding).name
    return _WITHOUT_BOM.get(name, name)


def _as_western(origin: Origin, wrong: _Undecodable) -> Text:
    n_valid, n_high = 0, 0
    with origin.open() as stream:
        while block := stream.read(_BLOCK_BYTES):
            if looks_binary(block):
                raise _binary(origin)
            valid = _UTF8_LETTER.findall(block)
            n_valid += len(valid)
            n_high += len(block.translate(None, _ASCII)) - sum(map(len, valid))
    if n_valid * _CHANCE > n_high:  # UTF-8 with a broken letter, or two encodings in one file
        raise wrong
    try:
        text = _decoded(origin, "cp1252")
    except _Undecodable:
        raise wrong from None
    note = f"line {wrong.line} is not UTF-8: read as Windows-1252 (--encoding names another)"
    return replace(text, notes=(note,))


def _decoded(origin: Origin, encoding: str) -> Text:
    """One pass over the whole file that proves the encoding; raises _Undecodable, DataError."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, tail, quotes, ended = 1, b"", set[str](), False
    with origin.open() as stream:
        while not ended:
            block = stream.read(_BLOCK_BYTES)
            ended = not block
            try:
                text = decoder.decode(block, ended)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                found = error.object[error.start : error.start + 4]
                raise _Undecodable(origin, encoding, line, found) from None
            if encoding not in _UTF8:
                block = _as_utf8(origin, text, line)
            if b"\0" in block:  # bytes are searched faster than text
                line += block[: block.index(b"\0")].count(b"\n")
                raise DataError(
                    f"{origin.name} has a NUL character in line {line}, so it is no text table.",
                    hint="Name the encoding (--encoding utf-16?), or clean the file.",
                )
            quotes.update(mark for mark in "\"'" if mark.encode() in block)
            line += block.count(b"\n")
            tail = (tail + block)[-_TAIL:]
    end = tail.decode("utf-8", "ignore").removeprefix("\ufeff")  # its first letter may be cut
    return Text(origin, encoding, end, frozenset(quotes))


def _as_utf8(origin: Origin, text: str, line: int) -> bytes:
    """`text`, which begins in this line, as UTF-8.

    Some codecs, such as UTF-7, let halves of a pair pass, which no other text can hold.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        line += text[: error.start].count("\n")
        raise DataError(
            f"{origin.name} has half of a surrogate pair in line {line}, which is no character.",
            hint="Name the encoding that the file was written in, or clean the file.",
        ) from None


def _binary(origin: Origin) -> DataError:
    head = origin.head[:4096]
    # In UTF-16 every second byte of Western text is NUL.
    halves = (head[0::2].count(0), head[1::2].count(0))
    if max(halves) > 0.8 * len(head) / 2 and min(halves) < 0.05 * len(head):
        order = "utf-16-le" if halves[1] > halves[0] else "utf-16-be"
        return DataError(
            f"{origin.name} looks like UTF-16 text without a byte order mark.",
            hint=f"Try --encoding {order}.",
        )
    return DataError(
        f"{origin.name} is a binary file, not a table.",
        hint="Give a CSV, Parquet, Arrow or JSON lines file.",
    )
