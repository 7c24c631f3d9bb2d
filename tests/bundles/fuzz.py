"""Mutates the stored bundle and watches what the commands make of it: exit status, time, memory.

`python tests/bundles/fuzz.py --cases 2000` prints a table; `--json` a line per case that went
wrong. Every case has its own seed, so one can be run again alone: `--only 1234`. Needs fork.

Half of the cases are damage: bytes change and digests do not. The other half are what a stranger
could send: the manifest is made to fit again, so that only the readers themselves stand between
the bytes and the libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

HERE = Path(__file__).parent
BUNDLE, ROWS = HERE / "format-1", HERE / "format-1.rows.csv"
# CPU seconds and resident memory of all processes of a case; a machine may be busy, so that only
# what takes minutes by the clock counts as hanging.
SECONDS, MEGABYTES, HANGS = 10.0, 1024, 300.0

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


class Case(NamedTuple):
    """What was done, and what came of it."""

    seed: int
    kind: str
    signed: bool
    what: str
    status: int  # of verify; beyond 1000: a signal ended the process
    others: dict[str, int]
    seconds: float  # of a core
    megabytes: int  # of the largest process
    apart: bool  # the process that reads for verify crashed or was stopped
    wrong: str  # "" = as it should be


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def pick(folder: Path, rng: random.Random) -> Path:
    """A file; often a model, whose parser is native code."""
    files = files_of(folder)
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
    one, two = rng.sample(files_of(folder), 2)
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
    texts = [path for path in files_of(folder) if path.suffix in (".json", ".txt")]
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
    path = rng.choice([path for path in files_of(folder) if path.suffix == ".json"])
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
    path = rng.choice([path for path in files_of(folder) if path.suffix == ".json"])
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
            file.truncate(1 << 40)
    elif how == "loop":
        path.symlink_to(folder, target_is_directory=True)
    else:
        path.symlink_to(how)
    return f"{path.name} {how}"


def rename(folder: Path, rng: random.Random) -> str:
    """A name of the manifest or of a member that leads elsewhere."""
    path = folder / rng.choice(("manifest.json", "manifest.json", "members/00/member.json"))
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
    if size > 1 << 30:  # a hole: nobody can wait for its digest
        return {"size": size, "sha256": "0" * 63 + "1"}
    return {"size": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


# One case


def run_case(seed: int, scratch: Path) -> Case:
    """Mutate a copy and let verify, show and predict look at it, in a process to be watched."""
    rng = random.Random(f"case {seed}")  # numbers in a row give dice that are alike
    folder = scratch / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BUNDLE, folder)
    mutation = rng.choice(MUTATIONS)
    signed = rng.random() < 0.5
    what = _mutated(folder, mutation, rng)
    if signed:
        sign(folder, keep_files=mutation is rename or rng.random() < 0.1)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _commands(folder, scratch, every=seed % 50 == 0)
    _, status, usage = os.wait4(pid, 0)
    wall, seconds = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    others = json.loads((scratch / "status").read_bytes()) if os.WIFEXITED(status) else {}
    verdict = others.pop("verify", 1000 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else 999)
    megabytes = usage.ru_maxrss >> 10
    text = (scratch / "talk").read_text(encoding="utf-8", errors="replace")
    wrong = _wrong({verdict, *others.values()}, seconds, megabytes, text)
    if wall > HANGS:
        wrong = wrong or "hangs"
    apart = "the process that tried" in text
    return Case(
        seed, mutation.__name__, signed, what, verdict, others, seconds, megabytes, apart, wrong
    )


def _mutated(folder: Path, mutation: Callable[..., str], rng: random.Random) -> str:
    """What was done to the folder; mostly once, sometimes more, as long as it can be done."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 3))):
        try:
            done.append(mutation(folder, rng))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            break  # what was mutated before leaves nothing to mutate in this way
    return "; ".join(done)


def _wrong(statuses: set[int], seconds: float, megabytes: int, text: str) -> str:
    if statuses - {0, 2}:
        return "status"
    if "Traceback" in text:
        return "traceback"
    if seconds > SECONDS:
        return "time"
    return "memory" if megabytes > MEGABYTES else ""


def _forked(args: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
    """What `subprocess.run` does for `model.apart`, by a fork of this warm process."""
    from automl.model import probe

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.argv = ["", *args[-2:]]
        probe.main()
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return subprocess.CompletedProcess(args, status, said, b"")


def _commands(folder: Path, scratch: Path, *, every: bool) -> None:
    """The child: statuses into a file. Predicts where verify found nothing.

    every: always predicts, and models are read by a new interpreter as a user's are, which takes
    ten times as long as a fork.
    """
    from automl.cli.main import main
    from automl.model import apart

    if not every:
        apart.subprocess = SimpleNamespace(**{**vars(subprocess), "run": _forked})

    talk = os.open(scratch / "talk", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(talk, 1)
    os.dup2(talk, 2)
    (scratch / "status").write_text("{}", encoding="ascii")
    found = {"verify": main(["verify", str(folder)]), "show": main(["show", str(folder), "all"])}
    if every or found["verify"] == 0:
        found["predict"] = main(["predict", str(folder), str(ROWS), "--proba", "--explain", "2"])
    (scratch / "status").write_text(json.dumps(found), encoding="ascii")
    os._exit(0)


def _warm_up() -> None:
    """Import what every child needs, once, and no thread."""
    from automl.engines._imports import import_lean, use_lean_imports

    use_lean_imports()
    import automl.features.preprocess
    import automl.features.recipes
    import automl.workflows.predict
    import automl.workflows.show
    import automl.workflows.verify  # noqa: F401

    for name in ("xgboost", "lightgbm", "catboost"):
        import_lean(name)


def run_cases(seeds: range | list[int], *, tell: Callable[[Case], None]) -> list[Case]:
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    _warm_up()
    cases = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AUTOML_STATE"] = scratch
        for seed in seeds:
            cases.append(run_case(seed, Path(scratch)))
            tell(cases[-1])
    return cases


def summary(cases: list[Case]) -> str:
    """A Markdown table: a row per mutation."""
    rows = defaultdict(list)
    for case in cases:
        rows[case.kind].append(case)
    rows["all"] = cases
    lines = ["| mutation | cases | signed | refused | reader died | harmless | wrong | slowest "
             "| most memory |",
             "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind, some in rows.items():
        lines.append(
            f"| {kind} | {len(some)} | {sum(c.signed for c in some)} "
            f"| {sum(c.status == 2 for c in some)} | {sum(c.apart for c in some)} "
            f"| {sum(c.status == 0 for c in some)} "
            f"| {sum(bool(c.wrong) for c in some)} | {max(c.seconds for c in some):.1f} s "
            f"| {max(c.megabytes for c in some)} MB |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.cases) if args.only is None else [args.only]

    def tell(case: Case) -> None:
        if case.wrong or args.only is not None or args.json:
            sys.stdout.write(json.dumps(case._asdict()) + "\n")
            sys.stdout.flush()

    cases = run_cases(seeds, tell=tell)
    if not args.json:
        sys.stdout.write(summary(cases) + "\n")
    return 1 if any(case.wrong for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
