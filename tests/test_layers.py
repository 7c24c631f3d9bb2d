"""The house rules that can be read off the source: layers, no pickle, one place that prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import automl

ROOT = Path(automl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Imports go down only. A top-level module or package of automl -> its level.
LEVELS = {
    "errors": 0,
    "cores": 1,
    "forms": 1,
    "task": 1,
    "ledger": 1,
    "config": 1,
    "contradictions": 1,
    "settings": 1,
    "budget": 1,
    "plugins": 1,
    "data": 2,
    "metrics": 2,
    "engines": 3,
    "features": 3,
    "model": 4,
    "search": 5,
    "insight": 5,
    "report": 6,
    "serve": 6,
    "export": 6,
    "workflows": 7,
    "benchmark": 7,
    "estimators": 7,
    "cli": 8,
    "__main__": 9,
}
# Siblings that one may know another of, each with its reason.
SIBLINGS = {
    ("config", "automl.task"),  # --task is one of its words
    ("config", "automl.forms"),  # how its values are written
    ("config", "automl.contradictions"),  # what is checked when its fields are read
    ("contradictions", "automl.config"),  # the settings that it checks
    ("contradictions", "automl.task"),  # --task is one of their words
    ("settings", "automl.config"),  # merges what is said of its fields
    ("engines", "automl.features.matrix"),  # the one type that both speak
    (
        "engines",
        "automl.features.strict",
    ),  # the reader of a bundle's JSON, for a model kept as JSON
    ("features", "automl.engines._imports"),  # recipes screen columns with a quick LightGBM
    ("serve", "automl.report.page"),  # its page looks like the report
    ("estimators", "automl.workflows"),  # an estimator is a skin over the workflow functions
}
UNSAFE = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of everything that the file imports anywhere, with the line."""
    package = ["automl", *path.relative_to(ROOT).parent.parts]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from automl import plugins` imports the module automl.plugins.
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from (
                (name, node.lineno) for name in (names if module == "automl" else [module])
            )


def breaches(path: Path) -> list[str]:
    """Imports of the file that go up, or sideways without leave."""
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    found = []
    for name, line in imported(path):
        parts = name.split(".")
        if parts[0] != "automl" or len(parts) < 2 or parts[1] == own:
            continue
        other = parts[1]
        if other.startswith("__") and other != "__main__":
            continue
        leave = any(own == a and (name + ".").startswith(b + ".") for a, b in SIBLINGS)
        if LEVELS[other] >= LEVELS[own] and not leave:
            found.append(f"{name_of(path)}:{line} imports {name}")
    return found


def test_the_walk_sees_the_package() -> None:
    assert {"errors.py", "cli/main.py", "engines/base.py"} <= {name_of(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_has_a_level(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert top in LEVELS or top == "__init__", f"{top} has no level: add it where it belongs"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path != ROOT / "__init__.py"], ids=name_of
)
def test_imports_go_down_only(path: Path) -> None:
    assert breaches(path) == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_imports_a_format_that_runs_code(path: Path) -> None:
    found = [(name, line) for name, line in imported(path) if name.split(".")[0] in UNSAFE]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_console_prints(path: Path) -> None:
    if name_of(path) == "cli/console.py":
        return
    lines = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "pprint"}
    ]
    assert lines == []


@pytest.mark.parametrize(
    ("place", "source", "wrong"),
    [
        ("data/x.py", "from automl.engines.base import Engine", True),
        ("data/x.py", "from automl import cli", True),
        ("data/x.py", "def f():\n    import automl.metrics.base", True),
        ("engines/x.py", "from automl.features.recipes import plan", True),
        ("engines/x.py", "from automl.features.matrix import Matrix", False),
        ("data/x.py", "from . import schema\nfrom automl.errors import DataError", False),
        ("data/x.py", "from ..search import race", True),
    ],
)
def test_a_breach_is_seen(
    place: str, source: str, wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(source, encoding="utf-8")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert bool(breaches(path)) is wrong
