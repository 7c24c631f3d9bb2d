"""Recognise files that are no tables by their first bytes."""

from __future__ import annotations

from automl.errors import DataError

_ARCHIVE = "Unpack it and give the table inside."
_EXPORT = "Export the table to CSV or Parquet."
_PICTURE = "Give a CSV, Parquet, Arrow or JSON lines file."

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n", "a PNG image", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG image", _PICTURE),
    (b"GIF8", "a GIF image", _PICTURE),
    (b"%PDF-", "a PDF document", _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook or Office file", _EXPORT),
    (b"PK\x03\x04", "a ZIP archive", _ARCHIVE),
    (b"PK\x05\x06", "an empty ZIP archive", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _ARCHIVE),
    (b"Rar!\x1a\x07", "a RAR archive", _ARCHIVE),
    (b"BZh", "a bzip2 file", "Decompress it, or compress it with gzip or zstd."),
    (b"\xfd7zXZ\x00", "an xz file", "Decompress it, or compress it with gzip or zstd."),
    (b"\x7fELF", "a program (ELF)", _PICTURE),
    (b"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (b"\x89HDF\r\n", "an HDF5 file", _EXPORT),
    (b"\x93NUMPY", "a NumPy array", _EXPORT),
    (b"ORC", "an ORC file", _EXPORT),
    (b"Obj\x01", "an Avro file", _EXPORT),
    (b"\x80\x04\x95", "a Python pickle", _EXPORT),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer", "Fetch it with `git lfs pull`."),
)
# These first bytes could also begin a text, so the bytes after them decide.
_WORDS = frozenset((b"BZh", b"ORC", b"GIF8"))
_MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "XML"))


def refuse_foreign(head: bytes, name: str) -> None:
    """Raises DataError saying what the file is, if its first bytes `head` are no table's."""
    if head[257:262] == b"ustar":
        raise _error(name, "a tar archive", _ARCHIVE)
    if head.startswith(b"PK\x03\x04") and b"xl/" in head:
        raise _error(name, "an Excel workbook", "Save the sheet as CSV and give that file.")
    for magic, what, hint in _SIGNATURES:
        if head.startswith(magic) and (magic not in _WORDS or looks_binary(head)):
            raise _error(name, what, hint)
    start = head[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for word, what in _MARKUP:
        if start.startswith(word):
            raise _error(name, what, "Download the table itself, as CSV or Parquet.")


def looks_binary(head: bytes) -> bool:
    """True if there are bytes that no text in an 8-bit encoding has."""
    return bool(head.translate(None, _TEXT_BYTES))


def _error(name: str, what: str, hint: str) -> DataError:
    return DataError(f"{name} is {what}, not a table.", hint=hint)


_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")
_TEXT_BYTES = bytes(byte for byte in range(256) if byte not in _CONTROLS and byte != 0x7F)
