"""What the service counts of itself, as text for Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

import psutil

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)

_HELP = {
    "automl_requests_total": ("counter", "Requests answered, by model, path and status."),
    "automl_request_seconds": ("histogram", "Seconds from a request's head to its whole answer."),
    "automl_rows_total": ("counter", "Rows scored."),
    "automl_batches_total": ("counter", "Calls of a model, each for the rows of some requests."),
    "automl_batch_rows": ("histogram", "Rows of one call of a model."),
    "automl_batch_seconds": ("histogram", "Seconds of one call of a model."),
    "automl_violations_total": ("counter", "Requests refused for cells that break the contract."),
    "automl_swaps_total": ("counter", "Bundles that took the place of another one."),
    "automl_swap_failures_total": ("counter", "Bundles that could not be loaded to take a place."),
    "automl_logged_rows_total": ("counter", "Rows written to the log of requests."),
    "automl_log_dropped_rows_total": ("counter", "Rows that the log of requests could not take."),
    "automl_model_info": ("gauge", "1 for the bundle that answers, with its id."),
    "automl_scoring_processes": ("gauge", "Processes that can score small requests of a model."),
    "automl_requests_in_progress": ("gauge", "Requests being answered."),
    "process_resident_memory_bytes": ("gauge", "Resident memory of the process."),
    "process_cpu_seconds_total": ("counter", "CPU seconds of the process, user and system."),
    "process_start_time_seconds": ("gauge", "Start of the process, seconds since 1970."),
}
Labels = tuple[tuple[str, str], ...]


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """Counters and histograms of one service; safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: dict[str, dict[Labels, _Histogram]] = defaultdict(dict)
        self._process = psutil.Process()

    def count(self, name: str, n: float = 1, **labels: str) -> None:
        """Add `n` to a counter."""
        key = tuple(labels.items())
        with self._lock:
            self._counts[name][key] += n

    def request(self, model: str, path: str, status: int, seconds: float) -> None:
        """One answered request."""
        with self._lock:
            key = (("model", model), ("path", path), ("status", str(status)))
            self._counts["automl_requests_total"][key] += 1
            self._add("automl_request_seconds", (("model", model), ("path", path)), seconds)

    def batch(self, model: str, rows: int, seconds: float) -> None:
        """One call of a model."""
        key = (("model", model),)
        with self._lock:
            self._counts["automl_rows_total"][key] += rows
            self._counts["automl_batches_total"][key] += 1
            self._add("automl_batch_rows", key, rows)
            self._add("automl_batch_seconds", key, seconds)

    def _add(self, name: str, key: Labels, value: float) -> None:
        known = self._histograms[name].get(key)
        if known is None:
            bounds = _ROWS if name.endswith("rows") else _SECONDS
            known = self._histograms[name][key] = _Histogram(bounds)
        known.add(value)

    def text(
        self, models: Mapping[str, str], processes: Mapping[str, int], in_progress: int
    ) -> str:
        """All of it. models, processes: id of the bundle, and who scores with it, by name."""
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            gauges: dict[str, dict[Labels, float]] = {
                "automl_model_info": {
                    (("model", name), ("id", digest)): 1 for name, digest in models.items()
                },
                "automl_scoring_processes": {
                    (("model", name),): n for name, n in processes.items()
                },
                "automl_requests_in_progress": {(): in_progress},
                "process_resident_memory_bytes": {(): self._process.memory_info().rss},
                "process_cpu_seconds_total": {(): cpu.user + cpu.system},
                "process_start_time_seconds": {(): self._process.create_time()},
            }
        lines: list[str] = []
        with self._lock:
            plain = {name: dict(values) for name, values in self._counts.items()} | gauges
            for name, (kind, told) in _HELP.items():
                lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
                lines += (_line(name, key, value) for key, value in plain.get(name, {}).items())
                for key, histogram in self._histograms.get(name, {}).items():
                    lines += _histogram_lines(name, key, histogram)
        return "\n".join(lines) + "\n"


def _histogram_lines(name: str, key: Labels, histogram: _Histogram) -> Iterable[str]:
    below = 0
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    for bound, n in zip(bounds, histogram.counts, strict=True):
        below += n
        yield _line(f"{name}_bucket", (*key, ("le", bound)), below)
    yield _line(f"{name}_sum", key, histogram.total)
    yield _line(f"{name}_count", key, below)


def _line(name: str, key: Labels, value: float) -> str:
    labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in key)
    shown = str(int(value)) if float(value).is_integer() else repr(float(value))
    return f"{name}{{{labels}}} {shown}" if labels else f"{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def now() -> float:
    """Seconds of a clock for durations."""
    return time.perf_counter()
