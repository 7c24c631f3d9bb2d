"""Mutates the stored bundle and watches what the commands make of it: exit status, time, memory.

`python tests/bundles/fuzz.py --cases 2000` prints a table; `--json` a line per case that went
wrong. Every case has its own seed, so one can be run again alone: `--only 1234`. Needs fork.

Half of the cases are damage: bytes change and digests do not. The other half are what a stranger
could send: the manifest is made to fit again, so that only the readers themselves stand between
the bytes and the libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from mutations import BUNDLE, MUTATIONS, rename, sign

ROWS = BUNDLE.with_name("format-1.rows.csv")
# CPU seconds and resident memory of all processes of a case; a machine may be busy, so that only
# what takes minutes by the clock counts as hanging.
SECONDS, MEGABYTES, HANGS = 10.0, 1024, 120
# What a case may ask for in all: where it is refused more, that is found, and the machine lives.
_MOST_MEMORY = 4 << 30


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
    pid = os.fork()
    if pid == 0:
        _commands(folder, scratch, every=seed % 50 == 0)
    _, status, usage = os.wait4(pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    others = json.loads((scratch / "status").read_bytes()) if os.WIFEXITED(status) else {}
    verdict = others.pop("verify", 1000 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else 999)
    megabytes = usage.ru_maxrss >> 10
    text = (scratch / "talk").read_text(encoding="utf-8", errors="replace")
    wrong = _wrong({verdict, *others.values()}, seconds, megabytes, text)
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

    signal.alarm(HANGS)  # what waits for ever takes no CPU seconds; the signal is its status
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
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
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
