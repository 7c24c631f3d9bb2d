"""Bundles: a predictor as a folder of JSON and the boosters' own files, written and loaded.

    manifest.json               format, facts of the run, link, threshold, digest of every file
    schema.json                 the columns
    preprocess.json             the fitted preprocessor
    members/00/member.json      name, engine, recipe, weight, params, its boosters
    members/00/fold_00.ubj      a booster (.ubj, .txt or .cbm by engine)
    members/00/recipe_00.json   the recipe fitted on that booster's training rows, unless plain
    run/…, explanations/…, …    extras; run/ is never read to score

No file holds code, and nothing is unpickled. Each is untrusted until its digest matched.

Changing the format: (1) a reader must keep reading every older format, so add code that turns an
old manifest and old files into today's before anything else sees them; (2) raise
`manifest.FORMAT` by one; (3) store a small bundle of the format that was left in
tests/bundles/format-<n>/, where a test loads it for ever; (4) write a line under "Bundle format"
in CHANGELOG.md. Files or keys that an old reader may ignore need none of this.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.data.schema import Schema
from automl.errors import BundleError, ConfigError
from automl.model.apart import read_apart
from automl.model.known import known_as, remember
from automl.model.link import Link
from automl.model.manifest import (
    MANIFEST,
    Manifest,
    check_digest,
    check_name,
    json_bytes,
    read_manifest,
    sync_folder,
    verify_files,
    write_durably,
    write_manifest,
)
from automl.model.predictor import Predictor
from automl.model.reading import read_predictor

if TYPE_CHECKING:
    from automl.features.preprocess import Preprocessor

_SYNCS = 8  # files at a time: a disk takes many together in about the time of one
_ASIDE = ".old"  # ending of an old bundle while a new one takes its place
_RESERVED = frozenset({"format", "files", "digest", "members", "link", "threshold"})
_REQUIRED = frozenset({"task", "target", "classes", "metric"})


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
        contents: dict[str, bytes | Path] = {
            "schema.json": json_bytes(schema.to_json(), indent=1),
            "preprocess.json": json_bytes(preprocessor.to_json()),
        }
        places = []
        for i, member in enumerate(members):
            places.append(f"members/{i:02d}")
            contents |= _member_files(places[i], member)
        for name, content in sorted(extras.items()):
            check_name(name, folder)
            if name in contents:
                raise ValueError(f"{name!r} is a file of the model, and no extra may replace it.")
            contents[name] = content
        with ThreadPoolExecutor(_SYNCS) as pool:
            targets = [folder.joinpath(*name.split("/")) for name in contents]
            list(pool.map(_place, contents.values(), targets))
        own = {"members": places, "link": link.to_json(), "threshold": threshold}
        write_manifest(folder, {"automl": version("automl"), **facts, **own})
        for below, _, _ in os.walk(folder):
            sync_folder(Path(below))


def _member_files(place: str, member: MemberFiles) -> dict[str, bytes | Path]:
    """Content or source of one member's files, by name in the bundle."""
    contents: dict[str, bytes | Path] = {}
    boosters = []
    for i, (source, recipe) in enumerate(member.boosters):
        booster = {"file": f"fold_{i:02d}{source.suffix}", "recipe": None}
        contents[f"{place}/{booster['file']}"] = source
        if recipe is not None:
            booster["recipe"] = f"recipe_{i:02d}.json"
            contents[f"{place}/{booster['recipe']}"] = json_bytes(recipe)
        boosters.append(booster)
    facts = {
        "name": member.name,
        "engine": member.engine,
        "recipe": member.recipe,
        "weight": member.weight,
        "params": dict(member.params),
        "boosters": boosters,
    }
    contents[f"{place}/member.json"] = json_bytes(facts, indent=1)
    return contents


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
    written = read_manifest(staging)
    target = target.resolve()
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_ASIDE}")
    with _disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        exchange(staging, target, aside)
        sync_folder(target.parent)
    remember(written.digest, "fit")
    for old in _put_aside(target):
        try:
            shutil.rmtree(old)
        except OSError as error:
            raise BundleError(
                f"The new bundle is in place, but the old one could not be removed from "
                f"'{old}': {error.strerror}.",
                hint="Remove that folder.",
            ) from error


def exchange(staging: Path, target: Path, aside: Path) -> None:
    """Rename `staging` to `target`; what had that name becomes `aside`, or stays if that fails."""
    replaced = target.exists()
    if replaced:
        target.rename(aside)
    try:
        staging.rename(target)
    except OSError:
        if replaced:
            aside.rename(target)
        raise


def put_back(target: Path) -> None:
    """Give a bundle its name again, if a process died just when it was to be replaced."""
    aside = _put_aside(target)
    if aside and not target.exists():
        aside[0].rename(target)


def _put_aside(target: Path) -> list[Path]:
    """Bundles that were moved away from `target` for a new one."""
    name = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{8}" + re.escape(_ASIDE))
    return [place for place in target.parent.iterdir() if name.fullmatch(place.name)]


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

    Checks, in this order: JSON, format version, the manifest's own digest, file names, sizes in
    all, links, missing and extra member files, sizes, digests. No booster is opened.
    Raises BundleError that names the first file that is wrong.
    """
    manifest = read_manifest(Path(path))
    verify_files(manifest, run=True)
    return manifest


def load_bundle(
    path: Path | str, *, require_digest: str | None = None, trusted: bool = False
) -> Predictor:
    """The predictor of a bundle; its files are verified first, except those under run/.

    A bundle that this user does not know is first read by a process of its own (`model.apart`):
    the boosters' parsers are native code, which a file that was made for it can crash. It is
    known from then on, and so are those that `fit` wrote.

    require_digest: the bundle must have this digest (`Manifest.digest`); whoever names it knows
    the bundle.  trusted: the caller knows its maker.
    Only the engines that are used are imported.  Raises BundleError; ConfigError for a text that
    is no digest.
    """
    manifest = read_manifest(Path(path))
    if require_digest is not None:
        check_digest(manifest, require_digest)
    verify_files(manifest, run=False)
    if not trusted and require_digest is None and known_as(manifest.digest) is None:
        read_apart(manifest)
        verify_files(manifest, run=False)  # what was read there is what is read here
    return read_predictor(manifest)


def load(path: Path | str, *, require_digest: str | None = None) -> Predictor:
    """The predictor of the bundle at `path`, as `load_bundle` reads it."""
    return load_bundle(path, require_digest=require_digest)
