"""The bundles that this user knows: digests of what `fit` wrote, or of what was checked once.

A text file of the user's own, a digest and how it came there a line. It is never in the way:
where it cannot be read or written, bundles count as unknown, which costs a check and no more.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

How = Literal["fit", "checked"]

FOLDER: Final = "AUTOML_STATE"  # environment variable: another folder for the file
_NAME: Final = "known-bundles.txt"
_LINE: Final = re.compile(r"([0-9a-f]{64}) (fit|checked)")
_MOST_BYTES: Final = 1 << 19  # about 7,000 bundles; then the older half is forgotten
_in_this_process: dict[str, How] = {}


def known_as(digest: str) -> How | None:
    """How the bundle of this digest became known; None if it is not."""
    here = _in_this_process.get(digest)
    return here if here is not None else dict(_entries()).get(digest)


def remember(digest: str, how: How) -> None:
    """Know the bundle of this digest from now on, in later processes too where that can be."""
    if known_as(digest) is not None:
        return
    _in_this_process[digest] = how
    file = known_file()
    if file is None:
        return
    with suppress(OSError):  # a home that cannot be written, or none: later processes check again
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists() and file.stat().st_size > _MOST_BYTES:
            _forget_older_half(file)
        line = f"{digest} {how}\n".encode("ascii")
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)  # one write, so that processes do not mix their lines
        finally:
            os.close(descriptor)


def known_file() -> Path | None:
    """Where the list lies; None where the user has no home."""
    folder = os.environ.get(FOLDER)
    if folder:
        return Path(folder) / _NAME
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "automl" / _NAME


def _entries() -> list[tuple[str, How]]:
    """(digest, how) of each line, the oldest first; none at all of a file that is not ours."""
    file = known_file()
    if file is None:
        return []
    try:
        with file.open("rb") as opened:
            if not _is_ours(opened.fileno()):
                return []
            lines = opened.read(2 * _MOST_BYTES).decode("ascii", "replace").splitlines()
    except OSError:
        return []
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    return [(match[1], "fit" if match[2] == "fit" else "checked") for match in found if match]


def _is_ours(descriptor: int) -> bool:
    """Whether nobody else could have written the open file."""
    if not hasattr(os, "getuid"):  # Windows: the folder's own rights say it
        return True
    facts = os.fstat(descriptor)
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022


def _forget_older_half(file: Path) -> None:
    entries = _entries()
    kept = "".join(f"{digest} {how}\n" for digest, how in entries[len(entries) // 2 :])
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    part.write_text(kept, encoding="ascii")
    part.replace(file)
