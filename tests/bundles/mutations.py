"""Ways to mutate a bundle: damage to its bytes, and what a stranger could write into it.

Each of `MUTATIONS` changes a folder by the dice it is given and says what it did.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

BUNDLE = Path(__file__).parent / "format-1"
HOLE = 1 << 40  # bytes that a sparse file pretends to have

STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 10**400, 1e308, -1e308, 1e-320, float("nan"),
    float("inf"), "", "x", "../../etc/passwd", "\u0000", "\ud800", "9" * 5000, [], {}, [[]],
    [None], {"": {}}, ["a"] * 3, [1e308] * 7,
)  # fmt: skip
NAMES = (
    "../up.json", "/etc/passwd", "C:/x", "a\\..\\b", "members/../../x", "con", "a" * 300, "", ".",
    "members/00/../01/member.json", "x/" * 50 + "y", "\u202etxt", "a:b",
)  # fmt: skip
CODE = (
    b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\x93NUMPY\x01\x00",
)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def small(folder: Path) -> list[Path]:
    """The plain files without holes: those that can be read, and written without going astray."""
    return [path for path in files_of(folder) if path.stat().st_size < HOLE]


def pick(folder: Path, rng: random.Random) -> Path:
    """A file; often a model, whose parser is native code."""
    files = small(folder)
    models = [path for path in files if path.name.startswith("fold_")]
    return rng.choice(models if models and rng.random() < 0.4 else files)


# Mutations: each changes `folder` with the dice `rng`, and says what it did.


def flip(folder: Path, rng: random.Random) -> str:
    path = pick(folder, rng)
    raw = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path.write_bytes(raw)
    return path.name


def truncate(folder: Path, rng: random.Random) -> str:
    path = pick(folder, rng)
    raw = path.read_bytes()
    path.write_bytes(raw[: rng.choice((0, 1, len(raw) - 1, rng.randrange(len(raw))))])
    return path.name


def swap(folder: Path, rng: random.Random) -> str:
    """Two files, or two stretches of one."""
    one, two = rng.sample(small(folder), 2)
    if rng.random() < 0.5:
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
        return f"{one.name}, {two.name}"
    raw = one.read_bytes()
    cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(4))
    a, b, c, d = cuts
    one.write_bytes(raw[:a] + raw[c:d] + raw[b:c] + raw[a:b] + raw[d:])
    return one.name


def inject(folder: Path, rng: random.Random) -> str:
    path = pick(folder, rng)
    raw = path.read_bytes()
    at = rng.choice((0, len(raw), rng.randrange(len(raw) + 1)))
    some = rng.choice((*CODE, rng.randbytes(rng.choice((1, 8, 4096))), b"[" * 9999, b"9" * 400))
    path.write_bytes(raw[:at] + some + raw[at + rng.choice((0, len(some))) :])
    return path.name


def delete(folder: Path, rng: random.Random) -> str:
    path = rng.choice([*files_of(folder), folder / "members" / "01", folder / "members"])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path.name


def number(folder: Path, rng: random.Random) -> str:
    """A number in a text, of JSON or of LightGBM, becomes a huge or a strange one."""
    texts = [path for path in small(folder) if path.suffix in (".json", ".txt")]
    path = rng.choice([*texts, *(each for each in texts if each.name.startswith("fold_"))])
    text = path.read_bytes()
    found = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", text))
    if found:
        match = rng.choice(found)
        new = rng.choice((b"-1", b"0", b"4294967295", b"1e308", b"-1e309", b"9" * 30, b"9" * 5000,
                          b"NaN", b"2147483647", b"65536", b"1000000000"))  # fmt: skip
        path.write_bytes(text[: match.start()] + new + text[match.end() :])
    return path.name


def value(folder: Path, rng: random.Random) -> str:
    """Another value, of any type, somewhere in a JSON file."""
    path = rng.choice([path for path in small(folder) if path.suffix == ".json"])
    place = data = json.loads(path.read_bytes())
    keys: list[Any] = []
    parent = None
    while isinstance(place, dict | list) and place and (not keys or rng.random() < 0.8):
        keys.append(rng.choice(sorted(place) if isinstance(place, dict) else range(len(place))))
        parent, place = place, place[keys[-1]]
    how = rng.random()
    if how < 0.7:
        parent[keys[-1]] = rng.choice(STRANGE)
    elif how < 0.85:
        del parent[keys[-1]]
    else:
        parent[keys[-1]] = [place] * rng.choice((2, 1000))
    path.write_text(json.dumps(data), encoding="utf-8")
    return f"{path.name} {keys}"


def deep(folder: Path, rng: random.Random) -> str:
    path = rng.choice([path for path in small(folder) if path.suffix == ".json"])
    n = rng.choice((30, 60, 900, 20_000, 1_000_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    nested = opening * n + "1" + closing * n
    data = json.loads(path.read_bytes())
    if isinstance(data, dict):
        data[rng.choice(sorted(data))] = "HERE"
    text = json.dumps(data).replace('"HERE"', nested, 1) if rng.random() < 0.5 else nested
    path.write_text(text, encoding="utf-8")
    return f"{path.name} {n}"


def link(folder: Path, rng: random.Random) -> str:
    """A link, a pipe, a folder or a huge hole where a file was."""
    path = rng.choice(files_of(folder))
    path.unlink()
    how = rng.choice(
        ("itself", "/dev/zero", "/etc/passwd", "copy", "pipe", "folder", "hole", "loop")
    )
    if how == "itself":
        path.symlink_to(path.name)
    elif how == "copy":
        path.symlink_to(BUNDLE / path.relative_to(folder))
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    elif how == "hole":
        with path.open("wb") as file:
            file.truncate(HOLE)
    elif how == "loop":
        path.symlink_to(folder, target_is_directory=True)
    else:
        path.symlink_to(how)
    return f"{path.name} {how}"


def rename(folder: Path, rng: random.Random) -> str:
    """A name of the manifest or of a member that leads elsewhere."""
    path = folder / rng.choice(("manifest.json", "manifest.json", "members/00/member.json"))
    if path not in small(folder):
        return ""
    data = json.loads(path.read_bytes())
    name = rng.choice(NAMES)
    if path.name == "member.json":
        data["boosters"][0][rng.choice(("file", "recipe"))] = name
    elif rng.random() < 0.5:
        data["members"][rng.randrange(4)] = name
    else:
        files = data["files"]
        files[name] = files.pop(rng.choice(sorted(files)))
    path.write_text(json.dumps(data), encoding="utf-8")
    return name[:40]


MUTATIONS: tuple[Callable[[Path, random.Random], str], ...] = (
    flip, flip, truncate, swap, inject, delete, number, number, value, value, deep, link, rename,
)  # fmt: skip


def sign(folder: Path, *, keep_files: bool) -> None:
    """Make the manifest fit the files, as a stranger would; where it is JSON at all."""
    path = folder / "manifest.json"
    if path not in small(folder):
        return
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(data, dict):
        return
    if not keep_files:
        data["files"] = {
            each.relative_to(folder).as_posix(): _fact(each)
            for each in files_of(folder)
            if each != path
        }
    zeros = "0" * 64
    try:
        text = json.dumps({**data, "digest": zeros}, sort_keys=True, indent=1).encode()
    except (ValueError, RecursionError):
        return
    digest = hashlib.sha256(text).hexdigest()
    path.write_bytes(text.replace(zeros.encode(), digest.encode(), 1))


def _fact(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if size >= HOLE:  # nobody can wait for its digest
        return {"size": size, "sha256": "0" * 63 + "1"}
    return {"size": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
