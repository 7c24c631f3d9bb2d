"""The models that are served, and the exchange of one for another while requests come in.

A bundle whose manifest changed on disk is loaded and checked beside the one that answers, tried
once, and takes its place in one step. Requests that began with the old one end with it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from automl.errors import AutoMLError, BundleError, ConfigError
from automl.model.bundle import load_bundle
from automl.model.manifest import read_manifest
from automl.model.predictor import Predictor
from automl.model.probe import made_up_rows
from automl.serve.lane import Lane
from automl.serve.limits import Limits
from automl.serve.metrics import Metrics
from automl.serve.rows import RowReader, Rows
from automl.serve.scorers import ScoredModel, Scorers
from automl.serve.scoring import Asked, answered, parsed_table
from automl.serve.tables import reading_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_CARD = 1 << 20
LOOK_SECONDS = 1.0  # between two looks at the manifests
_AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0)  # before a bundle that could not be loaded is tried again


@dataclass(eq=False)
class Model:
    """A loaded bundle.

    id: the digest of the bundle.  place: where it was asked for, which may be a link.
    card: its MODEL_CARD.md, "" without.  explained: its global explanation, None without.
    users: requests that are being answered with it.  scorers: processes that answer small ones.
    """

    name: str
    place: Path
    id: str
    predictor: Predictor
    card: str
    explained: Mapping[str, Any] | None
    reader: RowReader
    users: int = 0
    lane: Lane | None = field(default=None, repr=False)
    scorers: Scorers | None = field(default=None, repr=False)
    retired: bool = False

    @cached_property
    def schema(self) -> bytes:
        """The answer of GET schema."""
        from automl.serve.schema import schema_of

        return json.dumps(schema_of(self)).encode("ascii")

    def release(self) -> None:
        """One request fewer; a model that was replaced ends with its last one."""
        self.users -= 1
        if self.retired and not self.users:
            self._close()

    def retire(self) -> None:
        """Take no further request."""
        self.retired = True
        if not self.users:
            self._close()

    def _close(self) -> None:
        if self.lane is not None:
            self.lane.close()
        if self.scorers is not None:
            self.scorers.close()


@dataclass(frozen=True)
class Means:
    """What models are scored with.

    pool: threads for large requests.  processes: that score the small ones of each model; 0: the
    service does.
    """

    limits: Limits
    pool: ThreadPoolExecutor
    processes: int = 0


def load_model(name: str, place: Path, require_digest: str | None = None) -> Model:
    """The model of the bundle at `place`, verified and tried. Raises BundleError, and ConfigError
    for one of several quantiles."""
    folder = place.resolve()
    predictor = load_bundle(folder, require_digest=require_digest)
    if predictor.levels:
        raise ConfigError(
            f"The model of '{place}' predicts {len(predictor.levels)} quantiles, and the service "
            "answers with one value.",
            hint="Serve a bundle of one level, or score tables with `automl predict`.",
        )
    # What was read is what is written there still: a bundle may be replaced meanwhile.
    manifest = read_manifest(folder)
    if manifest.digest != str(predictor.manifest["digest"]):
        raise BundleError(f"The bundle '{place}' was replaced while it was read.")
    card = explained = None
    if "MODEL_CARD.md" in manifest.files and manifest.files["MODEL_CARD.md"].size <= _MOST_CARD:
        card = manifest.path("MODEL_CARD.md").read_text(encoding="utf-8")
    if "explanations/global.json" in manifest.files:
        explained = json.loads(manifest.path("explanations/global.json").read_bytes())
    markers = frozenset(reading_of(predictor).markers)
    reader = RowReader(predictor.schema, predictor.target, markers)
    model = Model(name, place, manifest.digest, predictor, card or "", explained, reader)
    _try_out(model)
    return model


def _try_out(model: Model) -> None:
    """Score and explain a few rows: what is set up on first use, before two threads race."""
    predictor = model.predictor
    predictor.warm_up()
    rows = made_up_rows(predictor.schema).iloc[:1]
    parsed = predictor.parse(rows, "lenient")
    part = Rows(1, [[None] for _ in predictor.schema.used], [], parsed=parsed)
    beyond: dict[str, Any] = {}
    if predictor.conformal is not None:
        beyond["sets" if predictor.task.is_classification else "interval"] = 0.9
    for asked in (Asked(), Asked(**beyond), Asked(explain=True)):
        answered(predictor, parsed, [part], asked)


def named_places(bundles: Sequence[str]) -> dict[str, Path]:
    """Place by name of bundles given as PATH or NAME=PATH, in their order. Raises ConfigError."""
    places: dict[str, Path] = {}
    for text in bundles:
        name, mark, path = text.partition("=")
        if not mark or not _NAME.fullmatch(name) or Path(text).exists():
            path, name = text, Path(text).resolve().name
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot be the name of a model in an address.",
                hint="Give it one of letters, digits, '.', '_' and '-': NAME=BUNDLE.",
            )
        if name in places:
            raise ConfigError(
                f"Two models are called {name!r}.", hint="Give one another name: NAME=BUNDLE."
            )
        places[name] = Path(path)
    if not places:
        raise ConfigError("There is no bundle to serve.")
    return places


class Models:
    """All models of one service by name; the first one also answers without its name."""

    def __init__(
        self,
        places: Mapping[str, Path],
        metrics: Metrics,
        means: Means,
        say: Callable[[str], None],
        require_digest: str | None = None,
    ) -> None:
        self._places = dict(places)
        self._metrics = metrics
        self._means = means
        self._scorers: list[Scorers] = []
        self._say = say
        self._require_digest = require_digest
        self._models: dict[str, Model] = {}
        self._said: dict[str, str] = {}
        self._looked: dict[str, tuple[int, int, int] | None] = {}
        self._again: dict[str, float] = {}
        self._failed: Counter[str] = Counter()
        self._looking = asyncio.Lock()
        self.version = 0  # grows with each exchange

    @property
    def names(self) -> list[str]:
        return list(self._places)

    @property
    def ids(self) -> dict[str, str]:
        """Id of the bundle that answers, by name."""
        return {name: model.id for name, model in self._models.items()}

    @property
    def processes(self) -> dict[str, int]:
        """Scoring processes that can take requests, by name."""
        return {
            name: 0 if model.scorers is None else model.scorers.n_ready
            for name, model in self._models.items()
        }

    def all(self) -> list[Model]:
        """The models that answer, the default one first."""
        return [self._models[name] for name in self._places]

    def get(self, name: str | None) -> Model | None:
        """The model of that name now, or the first one; None if there is none."""
        return self._models.get(next(iter(self._places)) if name is None else name)

    def put(self, model: Model) -> None:
        """Let `model` answer from now on."""
        metrics, name, predictor = self._metrics, model.name, model.predictor

        def score(parts: Sequence[Rows], asked: Asked) -> list[dict[str, Any]]:
            return answered(predictor, parsed_table(predictor, parts), parts, asked)

        def seen(n_requests: int, n_rows: int, seconds: float) -> None:
            metrics.batch(name, n_rows, seconds)

        model.lane = Lane(score, self._means.pool, seen)
        if self._means.processes:
            scored = ScoredModel(name, model.place, model.id)
            model.scorers = Scorers(scored, self._means.limits, seen, self._say)
            model.scorers.start(self._means.processes)
            self._scorers = [one for one in self._scorers if not one.ended] + [model.scorers]
        old = self._models.get(name)
        self._models[name] = model
        self.version += 1
        if old is not None:
            old.retire()

    async def close(self) -> None:
        """End the threads and the processes of all models."""
        for model in self._models.values():
            model.retire()
        await asyncio.gather(*(one.closed() for one in self._scorers))

    async def watch(self) -> None:
        """Look at the bundles for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self, *, now: bool = False) -> None:
        """Exchange each model whose bundle changed. now: also try again what failed just then."""
        async with self._looking:
            for name in self._places:
                if now:
                    self._again.pop(name, None)
                await self._look_at(name)

    async def _look_at(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        place = self._places[name]
        mark = await loop.run_in_executor(None, _mark, place)
        if mark is None or loop.time() < self._again.get(name, 0.0):
            return
        if mark == self._looked.get(name) and name not in self._again:
            return
        try:
            manifest = await loop.run_in_executor(None, read_manifest, place.resolve())
            if manifest.digest != self._models[name].id:
                required = self._require_digest
                model = await loop.run_in_executor(None, load_model, name, place, required)
                self.put(model)
                self._metrics.count("automl_swaps_total", model=name)
                self._say(f"{name}: now answered by the bundle {model.id}.")
        except (AutoMLError, OSError, ValueError) as error:
            waits = min(self._failed[name], len(_AGAIN_SECONDS) - 1)
            self._again[name] = loop.time() + _AGAIN_SECONDS[waits]
            self._failed[name] += 1
            self._metrics.count("automl_swap_failures_total", model=name)
            if self._said.get(name) != str(error):
                self._said[name] = str(error)
                self._say(f"{name}: the new bundle is not taken: {error}")
            return
        self._looked[name] = mark
        self._again.pop(name, None)
        self._said.pop(name, None)
        self._failed.pop(name, None)


def _mark(place: Path) -> tuple[int, int, int] | None:
    """What changes when another manifest is there; None while there is none."""
    try:
        facts = (place / "manifest.json").stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
