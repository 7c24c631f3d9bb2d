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
