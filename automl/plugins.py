"""Find and load plug-ins: the files of a package, by the user's word for them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from automl.errors import ConfigError, did_you_mean


@cache
def names(package: str) -> tuple[str, ...]:
    """Names of the plug-ins in `package`, sorted; third-party entry points of that group included.

    Imports none of them.
    """
    path = importlib.import_module(package).__path__
    own = {m.name for m in pkgutil.iter_modules(path) if m.name != "base" and m.name[0] != "_"}
    return tuple(sorted(own | {point.name for point in entry_points(group=package)}))


def load(package: str, name: str, attribute: str) -> Any:
    """The object called `attribute` of the plug-in `name` in `package`.

    Raises ConfigError, naming the closest known words, if there is no such plug-in.
    """
    if name not in names(package):
        noun = package.rpartition(".")[2].removesuffix("s")
        known = names(package)
        raise ConfigError(
            f"Unknown {noun} {name!r}.",
            hint=did_you_mean(name, known) or f"Known: {', '.join(known)}.",
        )
    for point in entry_points(group=package):
        if point.name == name:
            return getattr(point.load(), attribute)
    return getattr(importlib.import_module(f"{package}.{name}"), attribute)
