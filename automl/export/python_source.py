"""The scorer's modules as the one file that goes out with a model."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from automl.export import scorer, scorer_cells, scorer_files, scorer_steps, scorer_trees

# In the order in which they need each other; the last one has the text for people on top.
_MODULES = (scorer_cells, scorer_steps, scorer_trees, scorer_files, scorer)


def scorer_source() -> str:
    """The source of all modules one behind the other, without what they import of each other."""
    return _joined([_source(module) for module in _MODULES])


def _source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def _joined(sources: Sequence[str]) -> str:
    modules: dict[str, None] = {}
    names: defaultdict[str, set[str]] = defaultdict(set)
    bodies = []
    for source in sources:
        tree = ast.parse(source)
        last = 0
        for node in tree.body[1:]:
            if isinstance(node, ast.Import):
                modules |= {ast.unparse(node): None}
            elif isinstance(node, ast.ImportFrom):
                names[str(node.module)].update(alias.name for alias in node.names)
            else:
                break
            last = int(node.end_lineno or 0)
        bodies.append("\n".join(source.splitlines()[last:]).strip())
    text = ast.get_docstring(ast.parse(sources[-1]), clean=False)
    kept = {name: found for name, found in names.items() if not name.startswith("automl.")}
    kept.pop("__future__")
    lines = [
        *sorted(modules),
        *(f"from {name} import {', '.join(sorted(found))}" for name, found in kept.items()),
    ]
    head = f'"""{text}"""\n\nfrom __future__ import annotations\n\n' + "\n".join(lines)
    return "\n\n\n".join([head, *bodies]) + "\n"
