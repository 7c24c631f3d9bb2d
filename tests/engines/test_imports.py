"""Importing the boosters: lean in our own processes, untouched elsewhere, a cure on failure."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from automl import plugins
from automl.engines import _imports
from automl.errors import ConfigError

BOOSTERS = ("catboost", "lightgbm", "xgboost")

PROBE = """
import json, sys
{setup}
from automl import plugins
engines = [plugins.load("automl.engines", name, "ENGINE") for name in {names!r}]
before = [name for name in {names!r} if name in sys.modules]
for engine in engines:
    engine.warm_up()
after = [name for name in {names!r} if name in sys.modules]
hidden = "sklearn" not in sys.modules
import sklearn.base
print(json.dumps([before, after, hidden, sklearn.base.BaseEstimator.__module__]))
"""


def probe(setup: str) -> list[object]:
    code = PROBE.format(setup=setup, names=BOOSTERS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    answer: list[object] = json.loads(done.stdout)
    return answer


def test_adapters_import_their_library_only_when_warmed_up() -> None:
    before, after, hidden, _ = probe("")
    assert before == []
    assert after == list(BOOSTERS)
    # xgboost and lightgbm import scikit-learn themselves; a user of the library needs that.
    assert not hidden


def test_lean_imports_leave_scikit_learn_out_and_importable_later() -> None:
    before, after, hidden, module = probe(
        "from automl.engines._imports import use_lean_imports; use_lean_imports()"
    )
    assert (before, after) == ([], list(BOOSTERS))
    assert hidden
    assert module == "sklearn.base"


def test_lean_import_keeps_a_loaded_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    sklearn = ModuleType("sklearn")
    monkeypatch.setitem(sys.modules, "sklearn", sklearn)
    monkeypatch.delitem(sys.modules, "a_booster", raising=False)
    seen = []

    def importing(name: str) -> ModuleType:
        seen.append(sys.modules["sklearn"])
        return ModuleType(name)

    monkeypatch.setattr(importlib, "import_module", importing)
    _imports.import_lean("a_booster", lean=True)
    assert seen == [sklearn]
    assert sys.modules["sklearn"] is sklearn


@pytest.mark.parametrize(
    "error",
    [
        OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
        OSError("dlopen(lib_lightgbm.dylib): Library not loaded: @rpath/libomp.dylib"),
        ValueError(
            "XGBoost Library could not be loaded. Likely cause: vcomp140.dll or libgomp.so"
        ),
    ],
)
@pytest.mark.parametrize("lean", [True, False])
def test_a_missing_openmp_runtime_names_its_cure(
    error: Exception, lean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_import(monkeypatch, error)
    with pytest.raises(ConfigError, match="'lightgbm' cannot be loaded, its OpenMP") as caught:
        plugins.load("automl.engines", "lightgbm", "ENGINE").warm_up()
    for cure in ("apt-get install libgomp1", "dnf install libgomp", "brew install libomp"):
        assert cure in str(caught.value.hint)
    with pytest.raises(ConfigError, match="OpenMP"):
        _imports.import_lean("lightgbm", lean=lean)


def test_a_missing_library_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_import(monkeypatch, ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm"))
    with pytest.raises(ConfigError, match="not installed") as caught:
        _imports.import_lean("lightgbm")
    assert "pip install lightgbm" in str(caught.value.hint)


def test_a_broken_library_is_told_from_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_import(monkeypatch, ModuleNotFoundError("No module named 'six'", name="six"))
    with pytest.raises(ConfigError, match="cannot be loaded: No module named 'six'"):
        _imports.import_lean("lightgbm")


def test_a_module_still_being_imported_by_another_thread_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half, whole = ModuleType("a_booster"), ModuleType("a_booster")
    half.__spec__ = SimpleNamespace(_initializing=True)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "a_booster", half)
    monkeypatch.setattr(importlib, "import_module", lambda name: whole)
    assert _imports.import_lean("a_booster") is whole


def fail_to_import(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    really = importlib.import_module

    def importing(name: str) -> ModuleType:
        if name == "lightgbm":
            raise error
        return really(name)

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(importlib, "import_module", importing)
