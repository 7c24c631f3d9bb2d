"""Hostile tables end with status 0 or 2, in time and memory, without a traceback.

`python tests/cli/test_hostile_csv.py BUNDLE SEED N` runs N tables and prints a summary as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

import automl

ROOT = Path(__file__).parents[1]
LONGEST = 10.0  # CPU seconds
MEMORY = 1 << 30
NAMED = ("utf-8", "utf-16-le", "utf-7", "cp1252", "unicode_escape", "shift_jis", "utf-32")
ENCODINGS = [()] * 20 + [("--encoding", name) for name in NAMED]


def seeds() -> list[bytes]:
    """Tables that fit the bundle, in several dialects."""
    rows = [
        "age,city,wage,y",
        *(f"{20 + i},Ulm,{2500 + 7 * i}.5,{'yes' if i % 2 else 'no'}" for i in range(12)),
    ]
    text = "\n".join(rows) + "\n"
    quoted = "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in rows)
    return [
        text.encode(),
        text.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
        ("sep=|\n" + text.replace(",", "|")).encode(),
        text.replace("Ulm", "Köln").encode("utf-16"),
        text.replace("Ulm", "Köln").encode("latin-1"),
        quoted.encode(),
        ("# a comment\n" + text).encode(),
        text.replace("Ulm", "x" * 50_000, 1).encode(),
    ]


def fuzz(bundle: str, seed: int, n: int, folder: Path) -> dict[str, object]:
    """Run `automl predict` on n tables, and read each for training, too."""
    from hostile import hostile

    from automl.cli.main import main
    from automl.config import FitConfig
    from automl.errors import AutoMLError
    from automl.ledger import Ledger
    from automl.workflows.training_table import load_training_table

    rng, known = random.Random(seed), seeds()
    codes: Counter[str] = Counter()
    slowest, wrong = 0.0, []
    for i in range(n):
        path = folder / "t.csv"
        path.write_bytes(hostile(rng, known))
        mode = rng.choice([(), ("--keep", "all"), ("--strict",), *[("--lenient",)] * 5])
        mode = (*mode, *rng.choice(ENCODINGS))
        report = ("--validation-report", str(folder / "report.json"))
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        started = time.process_time()  # whatever else the machine does
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["predict", bundle, str(path), *mode, *report])
        talk = err.getvalue()
        target = rng.choice(["y", "x0", "column_1"])
        try:
            load_training_table(path, FitConfig(target=target), Ledger())
            codes["readable for training"] += 1
        except AutoMLError:
            codes["refused for training"] += 1
        slowest = max(slowest, time.process_time() - started)
        codes[str(code)] += 1
        if code not in (0, 2) or "Traceback" in talk or any(map(obeyed, talk)):
            wrong.append((i, code, talk[-500:]))
    process = psutil.Process()
    memory = getattr(process.memory_info(), "peak_wset", 0)  # Windows
    if not memory:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"codes": dict(codes), "slowest": slowest, "wrong": wrong, "memory": memory}


def obeyed(character: str) -> bool:
    """A control character that a terminal would obey."""
    return character != "\n" and (ord(character) < 32 or 127 <= ord(character) < 160)


def run_apart(bundle: Path, seed: int, n: int, timeout: float) -> dict[str, object]:
    places = [str(ROOT), str(Path(automl.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, __file__, str(bundle), str(seed), str(n)],
        capture_output=True,
        timeout=timeout,
        check=True,
        encoding="utf-8",
        env=environment,
    )
    return json.loads(done.stdout)


def check(summary: dict[str, object], n: int) -> None:
    assert summary["wrong"] == []
    assert summary["slowest"] < LONGEST
    assert summary["memory"] < MEMORY
    codes = summary["codes"]
    assert codes["0"] + codes["2"] == n
    assert min(codes["0"], codes["2"]) > n / 20  # some of both, else nothing was tested


def test_hostile_tables(bundle: Path) -> None:
    check(run_apart(bundle, seed=0, n=40, timeout=600), 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_two_thousand_hostile_tables(bundle: Path, seed: int) -> None:
    check(run_apart(bundle, seed=seed, n=1000, timeout=3600), 1000)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from automl.cli.main import main

    home = tmp_path_factory.mktemp("hostile")
    rng = random.Random(0)
    rows = [
        f"{rng.randint(18, 80)},{rng.choice('UBK')},{rng.gauss(3000, 500):.2f}" for _ in range(80)
    ]
    lines = [f"{row},{'yes' if int(row.split(',')[0]) > 45 else 'no'}" for row in rows]
    (home / "train.csv").write_text(
        "age,city,wage,y\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    options = ["--trials", "1", "--engines", "lightgbm", "--folds", "3", "--workers", "1", "-q"]
    assert main(["fit", str(home / "train.csv"), "-t", "y", "-o", str(home / "m"), *options]) == 0
    return home / "m"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        summary = fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(folder))
    sys.stdout.write(json.dumps(summary))
