"""The project's own wheel, made of the package that runs: an export that needs it carries it."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

PROJECT: Final = "automl"
_TAGS: Final = "Wheel-Version: 1.0\nGenerator: automl\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_KEPT: Final = ("METADATA", "entry_points.txt", "licenses/LICENSE")
_LEFT_OUT: Final = frozenset({"__pycache__"})
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)  # the first one that a ZIP file knows


def write_wheel(folder: Path) -> Path:
    """Write the wheel of this very package into `folder`; its path.

    The same sources give the same bytes. It holds no libraries: its metadata says which it needs.
    """
    installed = distribution(PROJECT)
    files = {**_sources(), **_facts(installed)}
    info = _info(installed)
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{PROJECT}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "x") as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _sources() -> dict[str, bytes]:
    """Every file of the package by its name in the wheel."""
    root = Path(__file__).parents[1]
    return {
        f"{PROJECT}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _LEFT_OUT.intersection(path.parts) and path.suffix != ".pyc"
    }


def _facts(installed: Distribution) -> dict[str, bytes]:
    """The metadata of the installed package, as it was installed."""
    info = _info(installed)
    texts = {name: installed.read_text(name) for name in _KEPT}
    found = {f"{info}/{name}": text.encode() for name, text in texts.items() if text is not None}
    return {**found, f"{info}/WHEEL": _TAGS.encode()}


def _info(installed: Distribution) -> str:
    return f"{PROJECT}-{installed.version}.dist-info"


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
