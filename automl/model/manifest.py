"""The manifest of a bundle: its facts, and the size and SHA-256 of every file, checked.

The manifest also carries its own digest: the SHA-256 of its bytes with that digest written as
64 zeros. So one changed byte in any file, the manifest included, is found before anything is
read from it. A digest says that a bundle is whole, not who made it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from automl.errors import BundleError, ConfigError
from automl.model.jsonfile import json_bytes as json_bytes
from automl.model.jsonfile import parse_json as parse_json
from automl.model.jsonfile import read_bounded
from automl.model.jsonfile import read_json as read_json

FORMAT = 1
MANIFEST = "manifest.json"
RUN = "run/"  # what a resume needs; never read to score, so it may be removed
MEMBERS = "members/"

_MAX_MANIFEST = 1 << 25  # bytes; enough for 100,000 files
_MAX_FILES = 100_000
_MAX_SCORED = 1 << 32  # bytes of all files that are read to score
_MAX_TOTAL = 1 << 34  # bytes of all files, those of run/ included
_ZEROS = "0" * 64
_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,4}((a|b|rc|\.post|\.dev)[0-9]{1,6})?")
_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.+-]{0,98}[A-Za-z0-9_+-])?")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))]
)
# Files that a desktop leaves behind in every folder that was looked at.
_DESKTOP = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class FileFact:
    """What the manifest says of one file: bytes and hexadecimal SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read and whose own digest matched.

    folder: the bundle.  data: the whole JSON object.  files: by name relative to the folder,
    with forward slashes.
    """

    folder: Path
    data: Mapping[str, Any]
    files: Mapping[str, FileFact]

    @property
    def digest(self) -> str:
        """The digest of the whole bundle: it changes with every byte of every listed file."""
        return str(self.data["digest"])

    @property
    def scored(self) -> dict[str, FileFact]:
        """The files that are needed to score: all but those under run/."""
        return {name: fact for name, fact in self.files.items() if not name.startswith(RUN)}

    def path(self, name: str) -> Path:
        """Where the listed file `name` lies; BundleError if the manifest does not list it."""
        if name not in self.files:
            raise BundleError(
                f"The bundle '{self.folder}' refers to '{name}', which is not in its manifest.",
                hint="Write the bundle again with `automl fit`.",
            )
        return self.folder.joinpath(*name.split("/"))


def write_manifest(folder: Path, data: Mapping[str, Any]) -> None:
    """List every file of `folder` and write its manifest, `data` included, to disk."""
    files = {
        name: {"size": path.stat().st_size, "sha256": sha256(path)}
        for name, path in sorted(_walk(folder))
        if name != MANIFEST
    }
    for name in files:
        check_name(name, folder)
    text = json_bytes({**data, "format": FORMAT, "files": files, "digest": _ZEROS}, indent=1)
    digest = hashlib.sha256(text).hexdigest()
    # The first such text is the manifest's own: no other digest is 64 zeros.
    text = text.replace(f'"digest": "{_ZEROS}"'.encode(), f'"digest": "{digest}"'.encode(), 1)
    write_durably(folder / MANIFEST, text)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle `folder`, its own digest and the names of its files checked.

    Raises BundleError if `folder` is no bundle, or one of a newer format.
    """
    raw = _manifest_bytes(folder)
    data = parse_json(raw, folder / MANIFEST)
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise BundleError(
            f"'{folder}' is not a bundle: its {MANIFEST} has no format version.",
            hint="Give the folder that `automl fit` wrote.",
        )
    if found > FORMAT:
        wanted = version_text(data.get("automl"))
        raise BundleError(
            f"The bundle '{folder}' has format {min(found, 10**6)}; this version reads up to "
            f"{FORMAT}.",
            hint=f"Install automl {wanted} or newer." if wanted else "Install a newer automl.",
        )
    _check_own_digest(raw, data, folder)
    return Manifest(folder, data, _file_facts(data, folder))


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST
    if not folder.exists():
        raise BundleError(
            f"There is no bundle '{folder}'.", hint="Give the folder that `automl fit` wrote."
        )
    if not folder.is_dir():
        raise BundleError(f"'{folder}' is a file; a bundle is a folder with a {MANIFEST}.")
    if not os.path.lexists(path):
        raise BundleError(
            f"'{folder}' is not a bundle: it has no {MANIFEST}.",
            hint="Give the folder that `automl fit` wrote.",
        )
    if not stat.S_ISREG(path.lstat().st_mode):
        raise BundleError(f"'{path}' is not a plain file; a bundle holds no links.")
    return read_bounded(path, _MAX_MANIFEST)


def version_text(value: object) -> str:
    """`value` if it is written like a version, else nothing: it stands in a command to type."""
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else ""


def _check_own_digest(raw: bytes, data: Mapping[str, Any], folder: Path) -> None:
    digest = data.get("digest")
    written = digest.encode("utf-8", "replace") if isinstance(digest, str) else b""
    whole = (
        isinstance(digest, str)
        and _DIGEST.fullmatch(digest) is not None
        and raw.count(written) == 1
        and hashlib.sha256(raw.replace(written, _ZEROS.encode())).hexdigest() == digest
    )
    if not whole:
        raise BundleError(
            f"'{folder / MANIFEST}' was changed after it was written: its digest does not match.",
            hint="Copy the bundle again, or write it again with `automl fit`.",
        )


def _file_facts(data: Mapping[str, Any], folder: Path) -> dict[str, FileFact]:
    listed = data.get("files")
    if not isinstance(listed, dict) or len(listed) > _MAX_FILES:
        raise BundleError(f"'{folder / MANIFEST}' has no usable list of files.")
    facts = {}
    for name, fact in listed.items():
        check_name(name, folder)
        facts[name] = _file_fact(name, fact, folder)
    scored = sum(fact.size for name, fact in facts.items() if not name.startswith(RUN))
    if scored > _MAX_SCORED or sum(fact.size for fact in facts.values()) > _MAX_TOTAL:
        raise BundleError(
            f"The bundle '{folder}' is larger than {_MAX_SCORED >> 30} GB, or than "
            f"{_MAX_TOTAL >> 30} GB with {RUN}.",
            hint="No bundle grows so large; use an intact copy.",
        )
    if len({name.lower() for name in facts}) != len(facts):
        raise BundleError(f"'{folder / MANIFEST}' lists two files that differ only by case.")
    return facts


def _file_fact(name: str, fact: object, folder: Path) -> FileFact:
    if isinstance(fact, dict):
        size, digest = fact.get("size"), fact.get("sha256")
        counted = isinstance(size, int) and size >= 0
        if counted and isinstance(digest, str) and _DIGEST.fullmatch(digest):
            return FileFact(int(size or 0), digest)
    raise BundleError(f"'{folder / MANIFEST}' has no size or digest for '{name}'.")


def check_name(name: str, folder: Path) -> None:
    """Raise BundleError unless `name` is a relative path that is safe on every platform."""
    parts = name.split("/")
    safe = len(parts) <= 8 and all(
        _PART.fullmatch(part) and part.split(".")[0].lower() not in _DEVICES for part in parts
    )
    if not safe:
        raise BundleError(
            f"The bundle '{folder}' names an unsafe path: {name[:200]!r}.",
            hint="File names in a bundle are plain ASCII words below its folder.",
        )


def read_digest(text: str) -> str:
    """The digest that a person typed: 64 hexadecimal digits, also after "sha256:".

    Raises ConfigError for anything else.
    """
    digest = text.strip().lower().removeprefix("sha256:")
    if not _DIGEST.fullmatch(digest):
        raise ConfigError(
            f"{text[:80]!r} is not the digest of a bundle.",
            hint="A digest has 64 hexadecimal digits; `automl verify BUNDLE` prints it.",
        )
    return digest


def check_digest(manifest: Manifest, required: str) -> None:
    """Raise BundleError unless the bundle is the one of the digest `required`."""
    if manifest.digest != read_digest(required):
        raise BundleError(
            f"The bundle '{manifest.folder}' is not the required one: its digest is "
            f"{manifest.digest}.",
            hint="It was written again or replaced; look at it with `automl verify`.",
        )


def verify_files(manifest: Manifest, *, run: bool) -> list[str]:
    """The names of unlisted files; BundleError unless the listed ones are there, byte for byte.

    run: whether files under run/ are compared as well; they may be missing in any case.
    Unlisted files are refused under members/ and never read elsewhere; links are refused
    anywhere.
    """
    try:
        return _verify_files(manifest, run)
    except OSError as error:
        raise BundleError(
            f"Cannot read '{error.filename or manifest.folder}': {error.strerror}."
        ) from error


def _verify_files(manifest: Manifest, run: bool) -> list[str]:
    folder = manifest.folder
    found = dict(_walk(folder))
    wanted = manifest.scored
    unlisted = sorted(found.keys() - manifest.files.keys() - {MANIFEST})
    for name in unlisted:
        if name.startswith(MEMBERS) and name.rpartition("/")[2] not in _DESKTOP:
            raise BundleError(
                f"The bundle '{folder}' holds '{name}', which its manifest does not list.",
                hint="Remove that file, or copy the bundle again.",
            )
    for name in sorted(wanted):
        if name not in found:
            raise BundleError(
                f"The bundle '{folder}' lacks '{name}'.", hint="Copy the bundle again, whole."
            )
    checked = manifest.files if run else wanted
    present = [(name, fact) for name, fact in sorted(checked.items()) if name in found]
    for name, fact in present:
        size = found[name].lstat().st_size
        if size != fact.size:
            raise _damaged(folder, name, f"it has {size:,} bytes instead of {fact.size:,}")
    for name, fact in present:
        if sha256(found[name]) != fact.sha256:
            raise _damaged(folder, name, "its SHA-256 digest does not match")
    return unlisted


def _damaged(folder: Path, name: str, what: str) -> BundleError:
    return BundleError(
        f"'{name}' in the bundle '{folder}' was changed after it was written: {what}.",
        hint="Copy the bundle again, or write it again with `automl fit`.",
    )


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, path) of each file below `folder`; BundleError for links and special files."""
    pending = [("", folder)]
    seen = 0
    while pending:
        prefix, here = pending.pop()
        with os.scandir(here) as entries:  # not listdir: a folder may hold ten million names
            names = [entry.name for entry in islice(entries, _MAX_FILES - seen + 1)]
        seen += len(names)
        if seen > _MAX_FILES:
            raise BundleError(f"'{folder}' holds more than {_MAX_FILES:,} files.")
        for entry in sorted(names):
            path, name = here / entry, prefix + entry
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                pending.append((name + "/", path))
            elif stat.S_ISREG(mode):
                yield name, path
            else:
                raise BundleError(
                    f"'{name}' in the bundle '{folder}' is a link or a special file.",
                    hint="A bundle holds plain files only; copy it with links followed.",
                )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_durably(path: Path, content: bytes) -> None:
    """Write `content` to the new file `path`; on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable, on platforms that can."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows: names are durable with their files
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
