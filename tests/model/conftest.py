"""A small table, its schema and preprocessor, and an engine whose boosters are plain sums."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl import plugins
from automl.data.parse import parse_table
from automl.data.schema import Column, Drop, Kind, Schema
from automl.errors import BundleError
from automl.features.matrix import Matrix
from automl.features.preprocess import Preprocessor
from automl.model import bundle as bundle_module
from automl.model.bundle import MemberFiles, write_bundle
from automl.model.link import Link
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Task


@dataclass
class SumBooster:
    """margin = base + Σ slope × value, missing values count 0; so contributions are its terms."""

    slopes: np.ndarray  # (k, p)
    base: np.ndarray  # (k,)
    engine: str = "sums"
    n_trees: int = 1
    curve: np.ndarray = field(default_factory=lambda: np.empty(0))

    def contributions(self, matrix: Matrix) -> np.ndarray:
        values = np.nan_to_num(matrix.values.astype(np.float64))
        made = np.empty((matrix.n_rows, len(self.base), matrix.n_features + 1))
        made[:, :, :-1] = values[:, None, :] * self.slopes[None]
        made[:, :, -1] = self.base
        return made

    def margin(self, matrix: Matrix, n_trees: int | None = None) -> np.ndarray:
        terms = self.contributions(matrix)
        total = np.zeros(terms.shape[:2])
        for i in range(terms.shape[2]):
            total += terms[:, :, i]
        return total

    def save(self, path: Path, n_trees: int | None = None) -> None:
        data = {"slopes": self.slopes.tolist(), "base": self.base.tolist()}
        path.write_text(json.dumps(data), encoding="utf-8")


class SumEngine:
    name = "sums"
    suffix = ".txt"

    def load(self, path: Path, *, n_outputs: int) -> SumBooster:
        data = json.loads(path.read_text(encoding="utf-8"))
        booster = SumBooster(np.array(data["slopes"]), np.array(data["base"]))
        if len(booster.base) != n_outputs:
            raise BundleError(f"'{path}' is not a model.")
        return booster


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SumEngine:
    """The engine "sums", beside the real ones."""
    sums, real = SumEngine(), plugins.load

    def load(package: str, name: str, attribute: str) -> Any:
        return sums if name == "sums" else real(package, name, attribute)

    monkeypatch.setattr(plugins, "load", load)
    # Another process would not find it.
    monkeypatch.setattr(bundle_module, "known_as", lambda digest: "fit")
    return sums


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": [f"p{i:03d}" for i in range(40)],
            "age": rng.integers(18, 80, 40).astype(float),
            "city": rng.choice(["Aa", "Bb", "Cc"], 40),
            "income [€]": rng.normal(1000, 200, 40),
        }
    )
    table.loc[[3, 7], "age"] = np.nan
    table.loc[5, "city"] = None
    table.loc[9, "city"] = "Zz"  # not a level of the schema
    return table


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(
        (
            Column("id", Kind.TEXT, "text", "every value differs", drop=Drop.IDENTIFIER),
            Column("age", Kind.NUMERIC, "number", "numbers"),
            Column(
                "city", Kind.CATEGORICAL, "text", "3 levels", levels=("Bb", "Aa", "Cc"),
                counts=(14, 13, 12), n_unique=3,
            ),
            Column("income [€]", Kind.NUMERIC, "number", "numbers"),
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def preprocessor(people: pd.DataFrame, schema: Schema) -> Preprocessor:
    return Preprocessor.fit(parse_table(people, schema), schema)[0]


CLASSES = {
    Task.BINARY: ("no", "yes"),
    Task.MULTICLASS: ("low", "mid", "high"),
    Task.REGRESSION: (),
}
LINKS = {Task.BINARY: "logit", Task.MULTICLASS: "softmax", Task.REGRESSION: "identity"}

MakePredictor = Callable[..., Predictor]


@pytest.fixture
def make_predictor(schema: Schema, preprocessor: Preprocessor) -> MakePredictor:
    """A predictor of two members, 0.75 × two boosters + 0.25 × one booster."""

    def make(task: Task = Task.BINARY, threshold: float | None = None) -> Predictor:
        rng = np.random.default_rng(1)
        k, p = task.n_outputs(len(CLASSES[task])), len(preprocessor.features)

        def booster() -> FoldBooster:
            return FoldBooster(SumBooster(rng.normal(0, 0.01, (k, p)), rng.normal(0, 1, k)))

        return Predictor(
            task=task,
            target="y",
            classes=CLASSES[task],
            metric="log_loss",
            schema=schema,
            preprocessor=preprocessor,
            members=(
                Member("sums-1", "sums", "plain", 0.75, {"depth": 3}, (booster(), booster())),
                Member("sums-2", "sums", "plain", 0.25, {"depth": 5}, (booster(),)),
            ),
            link=Link(LINKS[task], 1.3 if task.is_classification else 1.0),  # type: ignore[arg-type]
            threshold=threshold,
        )

    return make


WriteBundle = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteBundle:
    """Writes a predictor made of SumBoosters as a bundle; comes back with its folder."""

    def write_predictor(predictor: Predictor, name: str = "bundle", **facts: Any) -> Path:
        saved = tmp_path / f"{name}-boosters"
        saved.mkdir()
        members = []
        for m, member in enumerate(predictor.members):
            boosters = []
            for b, fold in enumerate(member.boosters):
                path = saved / f"{m}-{b}.txt"
                fold.booster.save(path)
                boosters.append((path, None if fold.recipe is None else fold.recipe.to_json()))
            members.append(
                MemberFiles(
                    member.name, member.engine, member.recipe, member.weight, member.params,
                    tuple(boosters),
                )
            )  # fmt: skip
        write_bundle(
            tmp_path / name,
            facts={
                "task": predictor.task,
                "target": predictor.target,
                "classes": list(predictor.classes),
                "positive": predictor.positive,
                "metric": predictor.metric,
                "seed": 0,
                **facts,
            },
            schema=predictor.schema,
            preprocessor=predictor.preprocessor,
            members=members,
            link=predictor.link,
            threshold=predictor.threshold,
            extras={"leaderboard.csv": b"name,score\n", "run/journal.jsonl": b"{}\n"},
        )
        return tmp_path / name

    return write_predictor
