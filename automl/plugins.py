"""Find and load plug-ins: the files of a package, by the user's word for them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from functools import cache
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from automl.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@cache
def names(package: str) -> tuple[str, ...]:
    """Names of the plug-ins in `package`, sorted; third-party entry points of that group included.

    Imports none of them.
    """
    return tuple(sorted({*own_names(package), *_foreign(package)}))


@cache
def own_names(package: str) -> frozenset[str]:
    """Names of the plug-ins that are files of `package`; cheaper than `names`."""
    path = importlib.import_module(package).__path__
    files = {module.name for module in pkgutil.iter_modules(path)}
    return frozenset(name for name in files if name != "base" and name[0] != "_")


def load(package: str, name: str, attribute: str) -> Any:
    """The object called `attribute` of the plug-in `name` in `package`.

    Entry points add names; a file of the package cannot be replaced by one.
    Raises ConfigError, naming the closest known words, if there is no such plug-in.
    """
    if name in own_names(package):
        return getattr(importlib.import_module(f"{package}.{name}"), attribute)
    point = _foreign(package).get(name)
    if point is None:
        noun = package.rpartition(".")[2].removesuffix("s")
        known = names(package)
        raise ConfigError(
            f"Unknown {noun} {name!r}.",
            hint=did_you_mean(name, known) or f"Known: {', '.join(known)}.",
        )
    return getattr(point.load(), attribute)


def _foreign(group: str) -> dict[str, EntryPoint]:
    """The entry points of `group` by name."""
    if not _may_have_entry_points(group):
        return {}
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}


def _may_have_entry_points(group: str) -> bool:
    """Whether an installed package may name `group`; False only if that is certain.

    importlib.metadata takes longer to import than all of `automl --help`, so the files that it
    would read are searched for the word first.
    """
    if any(
        hasattr(finder, "find_distributions")
        for finder in sys.meta_path
        if finder is not PathFinder
    ):
        return True
    return any(_mentions(folder or ".", f"[{group}]".encode()) for folder in sys.path)


def _mentions(folder: str, heading: bytes) -> bool:
    try:
        installed = [
            name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info"))
        ]
    except NotADirectoryError:
        return True  # an archive of modules, or an egg: only importlib.metadata can look inside
    except OSError:
        return False
    return any(
        _holds(os.path.join(folder, name, "entry_points.txt"), heading) for name in installed
    )


def _holds(file: str, heading: bytes) -> bool:
    try:
        with open(file, "rb") as stream:
            return heading in stream.read()
    except OSError:  # most packages have none
        return False
