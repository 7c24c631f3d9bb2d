"""The versions that are installed here of all that the project needs, as lines to install."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from automl.errors import ConfigError
from automl.export._wheel import PROJECT


def pinned(extras: Sequence[str] = (), also: Sequence[str] = ()) -> list[str]:
    """`name==version` of everything that this package needs on this platform, itself excepted.

    extras: of this package, whose requirements are pinned as well.  also: further packages.
    Raises ConfigError if one of them is not installed.
    """
    pins: dict[str, str] = {}
    wanted = [(PROJECT, frozenset(extras)), *((name, frozenset[str]()) for name in also)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        name, asked = wanted.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        found = _installed(name)
        if name != PROJECT:
            pins[name] = f"{name}=={Version(found.version).public}"
        for line in found.requires or ():
            needed = Requirement(line)
            if _applies(needed, asked):
                wanted.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return [pins[name] for name in sorted(pins)]


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise ConfigError(
            f"The package '{name}' is needed there but not installed here, so its version is "
            "unknown.",
            hint=f"pip install {name}",
        ) from None


def _applies(needed: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement holds here, with one of these extras or without any."""
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
