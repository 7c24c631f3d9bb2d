"""Where the bytes of a table come from: a file or stdin, decompressed on the fly."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import pyarrow as pa

from automl.errors import DataError, did_you_mean

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_COMPRESSED_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_HEAD_BYTES = 65536
# What is piped in is kept in memory up to this size, beyond it in a temporary file.
_SPOOL_BYTES = 64 * 1024 * 1024


class Origin:
    """The bytes behind a path; `-` is stdin. Can be opened many times; use it in a `with` block.

    path: as given.  suffix: ending of the file name without `.gz`/`.zst`, in lower case.
    head: the first 64 KiB, decompressed.  compression: "gzip", "zstd" or None.
    Raises DataError for what is missing, a folder, empty, or not readable.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._spool: IO[bytes] | None = None
        self._opened = ExitStack()
        with self._opened:  # closes the spool if anything below fails
            if self.path == "-":
                self._keep(sys.stdin.buffer)
            elif not stat.S_ISREG(_mode(self.path)):  # a pipe: can be read only once
                with _open_file(self.path) as stream:
                    self._keep(stream)
            with self._raw() as raw:
                first = raw.read(8)
            if not first:
                raise DataError(f"{self.name} is empty.", hint="Give a file with rows.")
            self.compression = _compression(first)
            with self.open() as stream:
                self.head = stream.read(_HEAD_BYTES)
            if not self.head:
                raise DataError(f"{self.name} is empty after decompression.")
            self._opened = self._opened.pop_all()

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def name(self) -> str:
        """The origin as named in messages."""
        return "The input on stdin" if self.path == "-" else repr(self.path)

    @property
    def stored_path(self) -> str | None:
        """The path of the file that holds the bytes; None if they were piped in."""
        return self.path if self._spool is None else None

    @property
    def suffix(self) -> str:
        name = Path(self.path).name.lower()
        for ending in _COMPRESSED_SUFFIXES:
            name = name.removesuffix(ending)
        return Path(name).suffix

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes as stored (compressed ones as they are), in hexadecimal."""
        with self._raw() as raw:
            digest = hashlib.sha256()
            while block := raw.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The decompressed bytes from the start, to be read forwards.

        Raises DataError inside the `with` block's reads where the compressed bytes are damaged.
        """
        with self._raw() as raw:
            if self.compression is None:
                yield raw
                return
            stream = _Decompressed(raw, self.compression, self.name)
            yield cast(BinaryIO, io.BufferedReader(stream, 1 << 16))

    @contextmanager
    def open_seekable(self) -> Iterator[BinaryIO]:
        """The decompressed bytes for reading in any order."""
        if self.compression is None:
            with self._raw() as raw:
                yield raw
            return
        with self.open() as stream, tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
            copy.seek(0)
            yield cast(BinaryIO, copy)

    def _keep(self, stream: IO[bytes]) -> None:
        spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - on the stack below
        self._spool = self._opened.enter_context(spool)
        shutil.copyfileobj(stream, self._spool, 1 << 20)

    @contextmanager
    def _raw(self) -> Iterator[BinaryIO]:
        if self._spool is None:
            with _open_file(self.path) as stream:
                yield stream
        else:
            # Views have their own position, so closing or moving one leaves the others alone.
            yield cast(BinaryIO, io.BufferedReader(_View(self._spool), 1 << 16))


class _View(io.RawIOBase):
    """A reader over a shared seekable file, with a position of its own."""

    def __init__(self, shared: IO[bytes]) -> None:
        self._shared = shared
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._shared.seek(self._position)
        data = self._shared.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += self._shared.seek(0, io.SEEK_END)
        elif whence == io.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset


class _Decompressed(io.RawIOBase):
    """Bytes decompressed while being read; damage becomes a DataError."""

    def __init__(self, raw: BinaryIO, compression: str, name: str) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), compression)
        self._compression = compression
        self._name = name

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return cast(bytes, self._stream.read(None if size < 0 else size))
        except OSError as error:
            raise DataError(
                f"{self._name} is damaged: its {self._compression} data cannot be decompressed "
                f"({error}).",
                hint="Copy or download the file again.",
            ) from error

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _compression(first: bytes) -> str | None:
    return next((name for magic, name in _COMPRESSIONS.items() if first.startswith(magic)), None)


def _mode(path: str) -> int:
    """The file's mode bits; raises DataError if there is nothing to read at `path`."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{path!r} is a folder, not a table.", hint="Name one file in it.")
    return mode


def _open_file(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(
        f"{path!r} cannot be read: {reason}.", hint="Check the path and the file's permissions."
    )


def _missing(path: str) -> DataError:
    if "://" in path:
        return DataError(f"{path!r} is not a file.", hint="Download it and give the local path.")
    folder = Path(path).parent
    if not folder.is_dir():
        return DataError(
            f"{path!r} does not exist, nor does the folder {str(folder)!r}.",
            hint="Check the path.",
        )
    try:
        neighbours = os.listdir(folder)
    except OSError:  # a folder that may be entered but not listed: no suggestions then
        neighbours = []
    close = did_you_mean(Path(path).name, neighbours)
    return DataError(f"{path!r} does not exist.", hint=close or "Check the path.")
