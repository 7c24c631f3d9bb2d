"""A predictor out of the files of a verified bundle; what they say is checked value by value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl import plugins
from automl.data.hashing import KEY
from automl.data.schema import Column, Kind, Schema
from automl.engines.base import Booster, Engine
from automl.errors import BundleError, ConfigError, DataError
from automl.features.strict import Fields
from automl.metrics._quantiles import levels_of
from automl.model.intervals import FILE as INTERVALS
from automl.model.intervals import Conformal, check_models
from automl.model.jsonfile import read_json
from automl.model.link import Link
from automl.model.manifest import MANIFEST, Manifest, version_text
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Task

if TYPE_CHECKING:
    from automl.features.recipes import FittedRecipe

T = TypeVar("T")

_LINKS = {
    Task.BINARY: ("logit",),
    Task.MULTICLASS: ("softmax",),
    Task.REGRESSION: ("identity", "log1p", "yeo-johnson"),
}
_SOURCES = ("number", "text", "boolean", "datetime")
_MOST_FORMATS = 200  # date formats, prefixes or suffixes of one column
_LONGEST_FORMAT = 100
# What Python raises on JSON or a model file that does not have the form that its reader expects.
_UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


def read_predictor(manifest: Manifest) -> Predictor:
    """The predictor of a bundle whose files were verified.

    Only the engines that are used are imported.  Raises BundleError, naming the file.
    """
    data = manifest.data
    schema = decoded(manifest, "schema.json", _schema)
    with understood(manifest.folder / MANIFEST):
        task, classes = Task(data["task"]), tuple(str(label) for label in data["classes"])
        link = Link.from_json(data["link"])
        threshold = None if data["threshold"] is None else float(data["threshold"])
        target, metric, places = str(data["target"]), str(data["metric"]), data["members"]
        if not isinstance(places, list):
            raise TypeError("'members' must be a list")
        _check_written(target, *classes)
        _check_facts(task, classes, link, threshold)
        levels = levels_of(metric) if task is Task.REGRESSION else ()
        n_outputs = len(levels) or task.n_outputs(len(classes))
        if link.spreads and len(link.spreads) != len(levels):
            raise ValueError("the spreads of the link are not of the levels of the metric")
    from automl.features.preprocess import Preprocessor

    predictor = Predictor(
        task=task,
        target=target,
        classes=classes,
        metric=metric,
        schema=schema,
        preprocessor=decoded(manifest, "preprocess.json", Preprocessor.from_json),
        members=_members(manifest, places, n_outputs),
        link=link,
        threshold=threshold,
        manifest=data,
        conformal=_conformal(manifest),
    )
    with understood(manifest.folder / INTERVALS):
        _check_intervals(predictor)
    _check_origins(predictor, manifest.folder)
    return predictor


def decoded(manifest: Manifest, name: str, decode: Callable[[Any], T]) -> T:
    """`decode` of the JSON in the listed file `name`."""
    path = manifest.path(name)
    data = read_json(path)
    with understood(path):
        return decode(data)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn what a decoder says of a file without the expected form into a BundleError."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise BundleError(f"'{path}': {error.message}", hint=error.hint) from error
    except _UNEXPECTED as error:
        raise _formless(path, error) from error


def _formless(path: Path, error: Exception) -> BundleError:
    return BundleError(
        f"'{path}' does not have the expected form: {type(error).__name__}: {error!s:.300}.",
        hint="Write the bundle again with `automl fit`.",
    )


def _conformal(manifest: Manifest) -> Conformal | None:
    """What intervals are made of; None in a bundle that was written without."""
    if INTERVALS not in manifest.files:
        return None
    return decoded(manifest, INTERVALS, Conformal.from_json)


def _check_intervals(predictor: Predictor) -> None:
    if predictor.conformal is not None:
        check_models(predictor.conformal, [len(m.boosters) for m in predictor.members])


# Facts and columns


def _check_facts(
    task: Task, classes: tuple[str, ...], link: Link, threshold: float | None
) -> None:
    least, most = {Task.BINARY: (2, 2), Task.MULTICLASS: (3, 10**6), Task.REGRESSION: (0, 0)}[task]
    if not least <= len(classes) <= most or len(set(classes)) != len(classes):
        raise ValueError(f"a {task} model cannot have {len(classes)} classes")
    if link.kind not in _LINKS[task]:
        raise ValueError(f"a {task} model cannot have the link {link}")
    if threshold is not None and not math.isfinite(threshold):
        raise ValueError(f"the threshold cannot be {threshold}")


def _check_written(*texts: str) -> None:
    """Raise ValueError for a text that no file of predictions can hold: half a surrogate pair."""
    for text in texts:
        text.encode("utf-8")


def _schema(data: Any) -> Schema:
    schema = Schema.from_json(data)
    for i, column in enumerate(schema.columns):
        _check_column(column, Fields.of(column.to_json(), f"columns[{i}]"))
    _check_written(*schema.names, *(column.header for column in schema.columns))
    if len(set(schema.names)) != len(schema.columns):
        raise ValueError("two columns have one name")
    return schema


def _check_column(column: Column, fields: Fields) -> None:
    """Raise BundleError or ValueError unless every value has its type."""
    for name in ("name", "header", "reason"):
        fields.text(name)
    fields.text("source", known=_SOURCES)
    fields.number("missing")
    fields.integer("n_unique")
    fields.integer("monotone", low=-1, high=1)
    for name in ("minimum", "maximum"):
        if getattr(column, name) is not None:
            fields.number(name)
    levels = fields.texts("levels")
    fields.integers("counts")
    fields.numbers("bins")
    key = fields.text("hash_key")
    if key and not (KEY.fullmatch(key) and column.kind is Kind.CATEGORICAL):
        raise ValueError("a column has no usable key of its hashes")
    if len(set(levels)) != len(levels):
        raise ValueError("two levels have one name")
    formats = Fields.of(column.formats, f"{fields.where}: 'formats'")
    for name in formats.data:
        if name in ("decimal", "thousands"):
            texts: tuple[str, ...] = (formats.text(name),)
        elif name in ("prefixes", "suffixes", "formats"):
            texts = formats.texts(name)
        else:
            raise ValueError(f"a column has no format {name!r:.40}")
        if len(texts) > _MOST_FORMATS or any(len(text) > _LONGEST_FORMAT for text in texts):
            raise ValueError(f"the format {name!r} is too long")


def _check_origins(predictor: Predictor, folder: Path) -> None:
    """Every feature must come from used columns, else contributions would be lost."""
    used = set(predictor.schema.used)
    for feature in predictor.preprocessor.features:
        if not feature.origins or not used.issuperset(feature.origins):
            raise BundleError(
                f"The feature '{feature.name}' in '{folder / 'preprocess.json'}' does not come "
                "from columns of schema.json."
            )


# Members


def _members(manifest: Manifest, places: list[Any], n_outputs: int) -> tuple[Member, ...]:
    recipes: dict[str, FittedRecipe] = {}  # by digest: members often share the recipe of a fold
    members = tuple(_member(manifest, str(place), n_outputs, recipes) for place in places)
    total = sum(member.weight for member in members)
    if not members or not abs(total - 1.0) < 1e-6:
        raise BundleError(
            f"The weights of the {len(members)} members in '{manifest.folder}' add to {total}, "
            "not to 1."
        )
    return members


def _member(
    manifest: Manifest, place: str, n_outputs: int, recipes: dict[str, FittedRecipe]
) -> Member:
    name = f"{place}/member.json"
    path = manifest.path(name)
    data = read_json(path)
    with understood(path):
        engine: Engine = plugins.load("automl.engines", str(data["engine"]), "ENGINE")
        files = [(str(b["file"]), b["recipe"]) for b in data["boosters"]]
        member = Member(
            name=str(data["name"]),
            engine=str(data["engine"]),
            recipe=str(data["recipe"]),
            weight=float(data["weight"]),
            params=dict(data["params"]),
            boosters=(),
        )
        if not files or not math.isfinite(member.weight):
            raise ValueError("no boosters, or a weight that is not a number")
    boosters = []
    for file, recipe in files:
        fitted = None if recipe is None else _recipe(manifest, f"{place}/{recipe}", recipes)
        booster = _booster(manifest, engine, manifest.path(f"{place}/{file}"), n_outputs)
        boosters.append(FoldBooster(booster, fitted))
    return Member(**{**vars(member), "boosters": tuple(boosters)})


def _recipe(manifest: Manifest, name: str, recipes: dict[str, FittedRecipe]) -> FittedRecipe:
    from automl.features.recipes import load_recipe

    manifest.path(name)
    digest = manifest.files[name].sha256
    if digest not in recipes:
        recipes[digest] = decoded(manifest, name, load_recipe)
    return recipes[digest]


def _booster(manifest: Manifest, engine: Engine, path: Path, n_outputs: int) -> Booster:
    """The booster of a listed file; it is said if a newer library wrote what this cannot read."""
    try:
        return _loaded(engine, path, n_outputs)
    except BundleError as error:
        writer, here = _versions(manifest, engine.name)
        if writer and here and _order(writer) > _order(here):
            raise BundleError(
                f"'{path}' was written by {engine.name} {writer}, and {engine.name} {here} is "
                "installed, which cannot read it.",
                hint=f"Run `pip install '{engine.name}>={writer}'`.",
            ) from error
        raise


def _loaded(engine: Engine, path: Path, n_outputs: int) -> Booster:
    try:
        return engine.load(path, n_outputs=n_outputs)
    except OSError as error:
        raise BundleError(f"Cannot read '{path}': {error.strerror}.") from error
    except _UNEXPECTED as error:
        raise _formless(path, error) from error


def _versions(manifest: Manifest, package: str) -> tuple[str, str]:
    """The version of `package` that wrote the bundle, and the installed one; "" = unknown."""
    versions = manifest.data.get("versions")
    writer = versions.get(package) if isinstance(versions, Mapping) else None
    try:
        return version_text(writer), version(package)
    except PackageNotFoundError:
        return version_text(writer), ""


def _order(text: str) -> tuple[int, ...]:
    """A version as numbers that sort like it: "3.10.1rc2" -> (3, 10, 1)."""
    release = re.match(r"[0-9.]+", text)
    return tuple(int(part) for part in release[0].split(".") if part) if release else ()
