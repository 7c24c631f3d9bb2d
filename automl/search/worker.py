"""The training process: reads tasks from its standard input, answers on its standard output.

`python -m automl.search.worker`. One JSON object a line each way. It ends when its input closes,
also in the middle of native training, so that no worker outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from automl.errors import AutoMLError
from automl.search.disk import disk_trouble

_UNUSED_SHARE, _UNUSED = 1.2, 64 << 20
_REFUSED = ("bad_alloc", "bad allocation", "Cannot allocate memory", "MemoryError")


def main() -> None:
    """Serve tasks until the input closes."""
    answers = _own_stdout()
    tasks: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()
    trainer: Any = None
    while True:
        arrived, task = tasks.get()
        if task.get("time_limit") is not None:
            # A task may have waited for imports; its time ran all the same.
            task["time_limit"] -= time.monotonic() - arrived
        try:
            if task["kind"] == "warm":
                result = _warm_up(task["engines"])
            elif task["kind"] == "open":
                from automl.search.crossval import FoldTrainer
                from automl.search.store import RunData

                trainer = FoldTrainer(RunData.read(Path(task["store"])))
                result = {}
            elif task["kind"] == "bound":
                result = _bound_memory(task["bytes"])
            else:
                result = trainer.run(task)
            answer = {"id": task["id"], "result": result}
        except Exception as error:  # noqa: BLE001 - the trial boundary: recorded by the race
            answer = {
                "id": task["id"],
                "error": f"{type(error).__name__}: {error}",
                "traceback": traceback.format_exc(),
                # What the user can mend is told as such, not as a failure of ours.
                "mend": [error.message, error.hint] if isinstance(error, AutoMLError) else None,
                "disk": disk_trouble(error),
                "memory": _is_memory(error),
            }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _own_stdout() -> TextIO:
    """The real standard output for answers; whatever native code prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def _read_tasks(tasks: queue.Queue[tuple[float, dict[str, Any]]]) -> None:
    for line in sys.stdin:
        tasks.put((time.monotonic(), json.loads(line)))
    # The parent is gone or done with us. Native code may be training: leave without waiting.
    os._exit(0)


def _bound_memory(more: int) -> dict[str, Any]:
    """Let this process take so many bytes more, where the system can bound them (Linux).

    A limit on data, not on the address space: that counts files which are only mapped.
    """
    try:
        import resource
    except ImportError:
        return {}
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    now = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # What is asked for is never all used: stacks, buffers of libraries, freed pieces.
    bound = now + int(_UNUSED_SHARE * more) + _UNUSED
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    return {"bytes": bound}


def _is_memory(error: Exception) -> bool:
    """Whether memory was refused; native libraries say so in their own errors."""
    if isinstance(error, MemoryError):
        return True
    return any(words in str(error) for words in _REFUSED)


def _warm_up(engines: list[str]) -> dict[str, Any]:
    """Import what training needs while the parent still reads the table."""
    from automl.engines import _imports
    from automl.search.crossval import load_engine

    _imports.use_lean_imports()
    for name in engines:
        warm_up = getattr(load_engine(name), "warm_up", None)
        if warm_up is not None:
            warm_up()
    return {}


if __name__ == "__main__":
    main()
