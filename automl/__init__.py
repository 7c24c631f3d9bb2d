"""From a table and a target column to a trained, validated, blended and explained model.

    import automl

    result = automl.fit("data.csv", target="y")
    predictor = automl.load(result.path)

The names below are imported when they are first used: `import automl` alone is cheap.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl.config import FitConfig as FitConfig
    from automl.estimators import AutoMLClassifier as AutoMLClassifier
    from automl.estimators import AutoMLRegressor as AutoMLRegressor
    from automl.model.bundle import load as load
    from automl.model.predictor import Predictor as Predictor
    from automl.workflows.compare import compare as compare
    from automl.workflows.export import Exported as Exported
    from automl.workflows.export import export as export
    from automl.workflows.fit import fit as fit
    from automl.workflows.fit import replay as replay
    from automl.workflows.fit import resume as resume
    from automl.workflows.profile import profile as profile
    from automl.workflows.report import report as report
    from automl.workflows.result import FitResult as FitResult

    __version__: str

_HOME = {
    "AutoMLClassifier": "automl.estimators",
    "AutoMLRegressor": "automl.estimators",
    "Exported": "automl.workflows.export",
    "FitConfig": "automl.config",
    "FitResult": "automl.workflows.result",
    "Predictor": "automl.model.predictor",
    "compare": "automl.workflows.compare",
    "export": "automl.workflows.export",
    "fit": "automl.workflows.fit",
    "load": "automl.model.bundle",
    "profile": "automl.workflows.profile",
    "replay": "automl.workflows.fit",
    "report": "automl.workflows.report",
    "resume": "automl.workflows.fit",
}

__all__ = [  # noqa: F822 - the version has no home here: it is asked for when it is used
    "AutoMLClassifier",
    "AutoMLRegressor",
    "Exported",
    "FitConfig",
    "FitResult",
    "Predictor",
    "__version__",
    "compare",
    "export",
    "fit",
    "load",
    "profile",
    "replay",
    "report",
    "resume",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("automl")
    if name not in _HOME:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Verb(ModuleType):
    """A package that is called by its verb: `automl.report` holds modules and is a function."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return __getattr__(self.__name__.rpartition(".")[2])(*args, **options)


class _Names(ModuleType):
    """This package: importing automl.report.page puts a module in the place of a function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            value.__class__ = _Verb
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Names
