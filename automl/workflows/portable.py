"""`--portable`: a search that keeps to what every export format can express, and says so."""

from __future__ import annotations

from typing import Final

from automl import plugins
from automl.config import FitConfig
from automl.engines.base import Choice, Space
from automl.errors import ConfigError
from automl.features.preprocess import Preprocessor
from automl.ledger import Ledger

_TOPIC: Final = "portable"
# A cross of categories has as many cells as their levels multiplied, too many for a table.
_CROSSED: Final = "max_ctr_complexity"


def portable_engines(config: FitConfig) -> tuple[str, ...]:
    """The engines whose models can be exported; ConfigError if another one is asked for."""
    known = tuple(sorted(plugins.own_names("automl.engines")))
    for name in config.engines:
        if name not in known:
            raise ConfigError(
                f"The engine {name!r} of a plug-in cannot be exported, as --portable asks.",
                hint=f"Leave it out, or --portable; known: {', '.join(known)}.",
            )
    return known


def portable_space(engine: str, space: Space) -> Space:
    """The ranges of an engine's hyperparameters without what cannot be exported."""
    if engine == "catboost" and _CROSSED in space:
        return {**space, _CROSSED: Choice((1,), default=1)}
    return space


def tell_portable(preprocessor: Preprocessor, engines: tuple[str, ...], ledger: Ledger) -> None:
    """Say before the race what the model goes without."""
    ledger.add(_TOPIC, "the model can be exported as onnx and as python", "--portable")
    if "catboost" in engines and any(feature.n_levels for feature in preprocessor.features):
        ledger.add(
            _TOPIC,
            "catboost counts the rows of single categories, not of crossed ones",
            "a table of crossed levels can be too large",
        )
