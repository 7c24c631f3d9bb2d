"""The one door to the boosting libraries: a fast import, and a cure when one cannot be loaded."""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType

from automl.errors import ConfigError

_lean = False
_lock = threading.Lock()

_OPENMP_CURE = (
    "Install the OpenMP runtime: on Debian or Ubuntu `apt-get install libgomp1`, "
    "on Fedora or RHEL `dnf install libgomp`, on macOS `brew install libomp`."
)


def use_lean_imports() -> None:
    """Say that this process is ours alone, a worker or the command line.

    Boosters imported from now on do not pull in scikit-learn, which only their scikit-learn
    wrappers need: all three load in 0.6 CPU seconds instead of 1.2 and 60 MB less (xgboost
    alone: 0.2 instead of 1.2). LightGBM's messages then go to the logger "lightgbm".
    Never called when automl is used as a library: the wrappers of a booster that was imported
    like this refuse to work for the rest of the process.
    """
    global _lean
    _lean = True


def import_lean(name: str, *, lean: bool | None = None) -> ModuleType:
    """The boosting library called `name`, imported at most once.

    lean: hide scikit-learn while importing, unless it is loaded already; by default what
        `use_lean_imports` asked for. Another thread must not import scikit-learn meanwhile.
    Raises ConfigError, with the cure as its hint, if the library or its OpenMP runtime is missing.
    """
    loaded = sys.modules.get(name)
    # A module is in sys.modules before it is complete; then the lock of import_module must wait.
    spec = getattr(loaded, "__spec__", None)
    if loaded is not None and not getattr(spec, "_initializing", False):
        return loaded
    lean = _lean if lean is None else lean
    with _lock:
        hide = lean and "sklearn" not in sys.modules
        if hide:
            # None makes `import sklearn` an ImportError, which the boosters expect and survive.
            sys.modules["sklearn"] = None  # type: ignore[assignment]
        try:
            module = importlib.import_module(name)
        # xgboost reports a library that cannot be loaded as a subclass of ValueError.
        except (ImportError, OSError, ValueError) as error:
            raise _cannot_import(name, error) from error
        finally:
            if hide:
                del sys.modules["sklearn"]
    if lean and name == "lightgbm":
        _log_messages(module)
    return module


def _cannot_import(name: str, error: Exception) -> ConfigError:
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        return ConfigError(
            f"The engine {name!r} needs the package {name!r}, which is not installed.",
            hint=f"Run `pip install {name}`, or choose other engines with --engines.",
        )
    text = str(error).strip()
    first_line = text.splitlines()[0] if text else type(error).__name__
    if any(runtime in text for runtime in ("libgomp", "libomp", "vcomp140")):
        return ConfigError(
            f"The engine {name!r} cannot be loaded, its OpenMP runtime is missing: {first_line}",
            hint=_OPENMP_CURE,
        )
    return ConfigError(
        f"The engine {name!r} cannot be loaded: {first_line}",
        hint=f"Run `pip install --force-reinstall {name}`, "
        "or choose other engines with --engines.",
    )


def _log_messages(lightgbm: ModuleType) -> None:
    """Send LightGBM's messages to `logging`: it prints on stdout, which may be a data stream."""
    import logging

    logger = logging.getLogger("lightgbm")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    lightgbm.register_logger(logger)
