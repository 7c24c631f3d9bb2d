"""Which export formats there are: the files of this package that have a `FORMAT`, and plug-ins."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from automl import plugins
from automl.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from automl.export.base import ExportFormat

_PACKAGE: Final = "automl.export"
_DECLARED: Final = re.compile(r"^FORMAT\b.*= ExportFormat\b", re.MULTILINE)


@cache
def format_names() -> tuple[str, ...]:
    """The words for `--to`, sorted; no format is imported."""
    own = plugins.own_names(_PACKAGE)
    return tuple(name for name in plugins.names(_PACKAGE) if name not in own or _has_format(name))


def get_format(name: str) -> ExportFormat:
    """The format of this name; ConfigError, naming the closest known ones, if there is none."""
    known = format_names()
    if name not in known:
        raise ConfigError(
            f"Unknown export format {name!r}.",
            hint=did_you_mean(name, known) or f"Known: {', '.join(known)}.",
        )
    found: ExportFormat = plugins.load(_PACKAGE, name, "FORMAT")
    return found


def _has_format(name: str) -> bool:
    """Whether a file of this package declares one; its other files serve those that do."""
    spec = find_spec(f"{_PACKAGE}.{name}")
    read = getattr(spec.loader, "get_source", None) if spec is not None else None
    source = read(f"{_PACKAGE}.{name}") if read is not None else None
    return source is not None and _DECLARED.search(source) is not None
