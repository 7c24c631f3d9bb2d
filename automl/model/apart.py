"""An unknown bundle is read by a process of its own first, which may crash or hang for us.

The parsers of the boosting libraries are native code: a file made for it can end the process that
reads it, without an exception. So the process `automl.model.probe` reads the whole bundle, scores
and explains a few rows made up from its schema, and says how it went; it has bounded memory and
CPU seconds where the system can bound them, and a deadline everywhere. This is no sandbox: code
that took over that process would run with the user's rights.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

import automl
from automl.errors import BundleError, ConfigError
from automl.model.known import remember
from automl.model.manifest import Manifest
from automl.model.probe import TOO_LARGE

# -P: not the current folder, where `automl predict` may lie beside a stranger's files.
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from automl.model.probe import main; main()"
)
_POOLS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

# Imports take 0.6 CPU seconds and 170 MB; a bundle of 100 MB is read in 3 s and 600 MB.
_CPU_SECONDS: Final = 8.0
_CPU_SECONDS_PER_MB: Final = 0.5
_WALL_SECONDS: Final = 60.0  # a busy machine gives us a part of a core
_MEMORY: Final = 768 << 20
_MEMORY_PER_BYTE: Final = 12
# CatBoost reserves a gigabyte to load and one to predict, of which it touches next to nothing.
_RESERVED: Final = 2 << 30
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Reading:
    """What the other process read: the boosters of each engine, and the rows that it scored."""

    boosters: dict[str, int]
    n_rows: int


def read_apart(manifest: Manifest) -> Reading:
    """What a process of its own made of the verified bundle, which is known from then on.

    Raises BundleError if it cannot read the bundle, crashes, hangs or grows beyond all measure.
    """
    size = sum(fact.size for fact in manifest.scored.values())
    cpu = _CPU_SECONDS + _CPU_SECONDS_PER_MB * (size >> 20)
    orders = {
        "folder": str(manifest.folder),
        "digest": manifest.digest,
        "cpu_seconds": int(cpu),
        "memory": _MEMORY + _MEMORY_PER_BYTE * size,
        "address_space": _MEMORY + _MEMORY_PER_BYTE * size + _RESERVED,
    }
    answer = _answer(manifest.folder, orders, _WALL_SECONDS + 2 * cpu)
    if "error" in answer:
        raise (ConfigError if answer.get("mend") else BundleError)(
            str(answer["error"]), hint=answer.get("hint")
        )
    reading = Reading(dict(answer["boosters"]), int(answer["rows"]))
    remember(manifest.digest, "checked")
    return reading


def _answer(folder: Path, orders: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the process said; BundleError if it could not."""
    root = str(Path(automl.__file__).parent.parent)
    try:
        with subprocess.Popen(
            [sys.executable, "-P", "-B", "-c", _START, root, json.dumps(orders)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(_POOLS, "1"), "PYTHONUTF8": "1"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        ) as process:
            try:
                said = _watched(process, folder, orders["memory"], seconds)
            finally:
                process.kill()
    except OSError as error:
        raise BundleError(
            f"The models of '{folder}' are not known here, and no process could be started to "
            f"check them: {error.strerror}.",
            hint="If you know the bundle, name its digest with --require-digest.",
        ) from error
    try:
        answer = json.loads(said)
    except ValueError:
        answer = None
    if process.returncode != 0 or not isinstance(answer, dict):
        raise _unreadable(folder, _ending(process.returncode, orders))
    return answer


def _watched(process: subprocess.Popen[bytes], folder: Path, memory: int, seconds: float) -> bytes:
    """What the process writes until it ends; BundleError if it takes too long or grows too large.

    memory: resident bytes; the system can bound only what is reserved.
    """
    deadline = time.monotonic() + seconds
    watched = psutil.Process(process.pid)
    while True:
        try:
            return process.communicate(timeout=_LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            pass
        with suppress(psutil.Error):  # it has ended
            if watched.memory_info().rss > memory:
                raise BundleError(TOO_LARGE.format(folder))
        if time.monotonic() > deadline:
            raise _unreadable(folder, f"had not ended after {seconds:.0f} s")


def _unreadable(folder: Path, how: str) -> BundleError:
    return BundleError(
        f"The models of '{folder}' cannot be read: the process that tried {how}.",
        hint="The bundle is damaged or hostile; get it again from somebody you trust.",
    )


def _ending(status: int, orders: dict[str, Any]) -> str:
    name = signal.Signals(-status).name if -status in set(signal.Signals) else ""
    if name == "SIGXCPU":
        return f"was stopped after {orders['cpu_seconds']} CPU seconds"
    if name:
        return f"crashed ({name})"
    return f"crashed (exit status {status})"
