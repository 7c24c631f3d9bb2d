"""Bundles: a predictor as a folder of JSON and the boosters' own files, written and read.

    manifest.json               format, facts of the run, link, threshold, digest of every file
    schema.json                 the columns
    preprocess.json             the fitted preprocessor
    members/00/member.json      name, engine, recipe, weight, params, its boosters
    members/00/fold_00.ubj      a booster (.ubj, .txt or .cbm by engine)
    members/00/recipe_00.json   the recipe fitted on that booster's training rows, unless plain
    run/…, explanations/…, …    extras; run/ is never read to score

No file holds code, and nothing is unpickled.

Changing the format: (1) a reader must keep reading every older format, so add code that turns an
old manifest and old files into today's before anything else sees them; (2) raise
`manifest.FORMAT` by one; (3) store a small bundle of the format that was left in
tests/bundles/format-<n>/, where a test loads it for ever; (4) write a line under "Bundle format"
in CHANGELOG.md. Files or keys that an old reader may ignore need none of this.
"""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from automl import plugins
from automl.data.schema import Schema
from automl.engines.base import Engine
from automl.errors import BundleError, ConfigError, DataError
from automl.model.link import Link
from automl.model.manifest import (
    MANIFEST,
    Manifest,
    check_name,
    json_bytes,
    read_json,
    read_manifest,
    sync_folder,
    verify_files,
    write_durably,
    write_manifest,
)
from automl.model.predictor import FoldBooster, Member, Predictor
from automl.task import Task

if TYPE_CHECKING:
    from automl.features.preprocess import Preprocessor
    from automl.features.recipes import FittedRecipe

T = TypeVar("T")

_RESERVED = frozenset({"format", "files", "digest", "members", "link", "threshold"})
_REQUIRED = frozenset({"task", "target", "classes", "metric"})
_LINKS = {
    Task.BINARY: ("logit",),
    Task.MULTICLASS: ("softmax",),
    Task.REGRESSION: ("identity", "log1p", "yeo-johnson"),
}


@dataclass(frozen=True)
class MemberFiles:
    """A member whose boosters are saved on disk, truncated to the trees that predict.

    boosters: (file, recipe as JSON or None for plain) of each fold; the suffix is the engine's.
    """

    name: str
    engine: str
    recipe: str
    weight: float
    params: Mapping[str, Any]
    boosters: tuple[tuple[Path, Mapping[str, Any] | None], ...]


def write_bundle(  # noqa: PLR0913 - the parts of a bundle, each given once
    folder: Path,
    *,
    facts: Mapping[str, Any],
    schema: Schema,
    preprocessor: Preprocessor,
    members: Sequence[MemberFiles],
    link: Link,
    threshold: float | None,
    extras: Mapping[str, bytes | Path],
) -> None:
    """Write a whole bundle into the fresh staging folder `folder`, durably, manifest last.

    facts: JSON values; task, target, classes and metric are needed, others are kept as they are.
    extras: content or source (a file, or a folder copied whole) by name in the bundle. Files are
    copied; files that lie in `folder` already become part of the bundle.
    Raises ValueError for facts that are missing or reserved, BundleError if the disk refuses.
    """
    if facts.keys() & _RESERVED or not facts.keys() >= _REQUIRED:
        raise ValueError(f"Facts need {sorted(_REQUIRED)} and may not hold {sorted(_RESERVED)}.")
    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / "schema.json", json_bytes(schema.to_json(), indent=1))
        write_durably(folder / "preprocess.json", json_bytes(preprocessor.to_json()))
        places = [_write_member(folder, i, member) for i, member in enumerate(members)]
        for name, content in sorted(extras.items()):
            check_name(name, folder)
            _place(content, folder.joinpath(*name.split("/")))
        own = {"members": places, "link": link.to_json(), "threshold": threshold}
        write_manifest(folder, {"automl": version("automl"), **facts, **own})
        for below, _, _ in os.walk(folder):
            sync_folder(Path(below))


def _write_member(folder: Path, index: int, member: MemberFiles) -> str:
    """Write one member's files; comes back with its place, "members/<index>"."""
    place = f"members/{index:02d}"
    home = folder / "members" / f"{index:02d}"
    boosters = []
    for i, (source, recipe) in enumerate(member.boosters):
        booster = {"file": f"fold_{i:02d}{source.suffix}", "recipe": None}
        _place(source, home / str(booster["file"]))
        if recipe is not None:
            booster["recipe"] = f"recipe_{i:02d}.json"
            write_durably(home / str(booster["recipe"]), json_bytes(recipe))
        boosters.append(booster)
    facts = {
        "name": member.name,
        "engine": member.engine,
        "recipe": member.recipe,
        "weight": member.weight,
        "params": dict(member.params),
        "boosters": boosters,
    }
    write_durably(home / "member.json", json_bytes(facts, indent=1))
    return place


def _place(content: bytes | Path, target: Path) -> None:
    if isinstance(content, bytes):
        write_durably(target, content)
    elif content.is_dir():
        for source in sorted(content.rglob("*")):
            if source.is_file():
                _place(source, target / source.relative_to(content))
    elif not target.exists() or not target.samefile(content):
        target.parent.mkdir(parents=True, exist_ok=True)
        with content.open("rb") as source_file, target.open("xb") as target_file:
            shutil.copyfileobj(source_file, target_file, 1 << 20)
            target_file.flush()
            os.fsync(target_file.fileno())


def check_target(target: Path, *, force: bool) -> None:
    """Raise ConfigError unless a bundle may be written to `target`.

    It may if nothing is there, or an empty folder, or a bundle and `force` is given.
    """
    target = target.resolve()
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / MANIFEST).is_file():
        raise ConfigError(
            f"The output '{target}' exists and is not a bundle, so it is left alone.",
            hint="Choose another --output.",
        )
    if not force:
        raise ConfigError(
            f"The output '{target}' already holds a bundle.",
            hint="Choose another --output, or pass --force to replace it.",
        )
    read_manifest(target)  # a foreign manifest.json does not make a folder ours to remove


def install_bundle(staging: Path, target: Path, *, force: bool) -> None:
    """Rename the written bundle `staging` to `target`, which is either the old or the new one.

    An existing bundle is moved aside first and removed only after the new one is in its place.
    Raises ConfigError as `check_target` does, BundleError if the disk refuses; `staging` is then
    left as it was. `staging` must lie on the same disk, best beside `target`.
    """
    check_target(target, force=force)
    read_manifest(staging)
    target = target.resolve()
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    with _disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        replaced = target.exists()
        if replaced:
            target.rename(aside)
        try:
            staging.rename(target)
        except OSError:
            if replaced:
                aside.rename(target)
            raise
        sync_folder(target.parent)
    if replaced:
        try:
            shutil.rmtree(aside)
        except OSError as error:
            raise BundleError(
                f"The new bundle is in place, but the old one could not be removed from "
                f"'{aside}': {error.strerror}.",
                hint="Remove that folder.",
            ) from error


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a BundleError that names the place."""
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"Cannot write the bundle '{path}': {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename else ''}.",
            hint="Check the free space and the permissions, or choose another --output.",
        ) from error


def verify_bundle(path: Path | str) -> Manifest:
    """The manifest of a bundle all of whose files are as they were written.

    Checks, in this order: JSON, format version, the manifest's own digest, file names, links,
    missing and extra member files, sizes, digests. No booster is opened.
    Raises BundleError that names the first file that is wrong.
    """
    manifest = read_manifest(Path(path))
    verify_files(manifest, run=True)
    return manifest


def load_bundle(path: Path | str) -> Predictor:
    """The predictor of a bundle; its files are verified first, except those under run/.

    Only the engines that are used are imported.  Raises BundleError.
    """
    manifest = read_manifest(Path(path))
    verify_files(manifest, run=False)
    data = manifest.data
    schema = _decoded(manifest, "schema.json", Schema.from_json)
    with _understood(manifest.folder / MANIFEST):
        task, classes = Task(data["task"]), tuple(str(label) for label in data["classes"])
        link = Link.from_json(data["link"])
        threshold = None if data["threshold"] is None else float(data["threshold"])
        target, metric, places = str(data["target"]), str(data["metric"]), list(data["members"])
        _check_facts(task, classes, link)
    from automl.features.preprocess import Preprocessor

    predictor = Predictor(
        task=task,
        target=target,
        classes=classes,
        metric=metric,
        schema=schema,
        preprocessor=_decoded(manifest, "preprocess.json", Preprocessor.from_json),
        members=_load_members(manifest, places, task.n_outputs(len(classes))),
        link=link,
        threshold=threshold,
        manifest=data,
    )
    _check_origins(predictor, manifest.folder)
    return predictor


def load(path: Path | str) -> Predictor:
    """The predictor of the bundle at `path`; the same as `load_bundle`."""
    return load_bundle(path)


def _check_facts(task: Task, classes: tuple[str, ...], link: Link) -> None:
    least, most = {Task.BINARY: (2, 2), Task.MULTICLASS: (3, 10**6), Task.REGRESSION: (0, 0)}[task]
    if not least <= len(classes) <= most or len(set(classes)) != len(classes):
        raise ValueError(f"a {task} model cannot have {len(classes)} classes")
    if link.kind not in _LINKS[task] or not (math.isfinite(link.temperature) and link.temperature):
        raise ValueError(f"a {task} model cannot have the link {link}")


def _check_origins(predictor: Predictor, folder: Path) -> None:
    """Every feature must come from used columns, else contributions would be lost."""
    used = set(predictor.schema.used)
    for feature in predictor.preprocessor.features:
        if not feature.origins or not used.issuperset(feature.origins):
            raise BundleError(
                f"The feature '{feature.name}' in '{folder / 'preprocess.json'}' does not come "
                "from columns of schema.json."
            )


def _load_members(manifest: Manifest, places: list[Any], n_outputs: int) -> tuple[Member, ...]:
    recipes: dict[str, FittedRecipe] = {}  # by digest: members often share the recipe of a fold
    members = tuple(_load_member(manifest, str(place), n_outputs, recipes) for place in places)
    total = sum(member.weight for member in members)
    if not members or not abs(total - 1.0) < 1e-6:
        raise BundleError(
            f"The weights of the {len(members)} members in '{manifest.folder}' add to {total}, "
            "not to 1."
        )
    return members


def _load_member(
    manifest: Manifest, place: str, n_outputs: int, recipes: dict[str, FittedRecipe]
) -> Member:
    name = f"{place}/member.json"
    path = manifest.path(name)
    data = read_json(path)
    with _understood(path):
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
        fitted = None if recipe is None else _load_recipe(manifest, f"{place}/{recipe}", recipes)
        booster = engine.load(manifest.path(f"{place}/{file}"), n_outputs=n_outputs)
        boosters.append(FoldBooster(booster, fitted))
    return Member(**{**vars(member), "boosters": tuple(boosters)})


def _load_recipe(manifest: Manifest, name: str, recipes: dict[str, FittedRecipe]) -> FittedRecipe:
    from automl.features.recipes import load_recipe

    manifest.path(name)
    digest = manifest.files[name].sha256
    if digest not in recipes:
        recipes[digest] = _decoded(manifest, name, load_recipe)
    return recipes[digest]


def _decoded(manifest: Manifest, name: str, decode: Callable[[Any], T]) -> T:
    """`decode` of the JSON in the listed file `name`."""
    path = manifest.path(name)
    data = read_json(path)
    with _understood(path):
        return decode(data)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn what a decoder says of JSON without the expected form into a BundleError."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise BundleError(f"'{path}': {error.message}", hint=error.hint) from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise BundleError(
            f"'{path}' does not have the expected form: {type(error).__name__}: {error}.",
            hint="Write the bundle again with `automl fit`.",
        ) from error
