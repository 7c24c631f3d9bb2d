"""The README says what is there: modules, commands, options; and what it shows can be typed.

`python tests/test_docs.py` prints the two generated parts, to be pasted between their marks.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import Field
from pathlib import Path
from typing import Any

import click
import pytest

from automl import plugins
from automl.cli.main import COMMANDS, cli
from automl.cli.options import GroupedOption, given_settings
from automl.config import FIELDS, default_of, option_name
from automl.features.recipes import RECIPES
from automl.settings import resolve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
WORDS = tuple(name.replace("_", "-") for name in plugins.names(COMMANDS))
# Top-down, as the imports go; what is not named here follows.
PACKAGES = (
    "cli",
    "benchmark",
    "workflows",
    "report",
    "search",
    "insight",
    "model",
    "engines",
    "features",
    "data",
    "metrics",
)

INSTALL_AND_TEST = 'pip install -q -e ".[dev]" && python -m pytest'


# The generated parts


def options_block() -> str:
    """A table of the options of `automl fit`, under the headings of its help."""
    lines = ["| option | default | |", "|---|---|---|"]
    heading = None
    for item in FIELDS.values():
        if item.metadata["group"] != heading:
            heading = item.metadata["group"]
            lines.append(f"| **{heading}** | | |")
        lines.append(f"| `{_written(item)}` | {_default(item)} | {item.metadata['help']} |")
    return "\n".join(lines)


def _written(item: Field[Any]) -> str:
    short = f"{item.metadata['short']}, " if "short" in item.metadata else ""
    value = item.metadata["metavar"]
    text = short + option_name(item.name) + (f" {value}" if value else "")
    return text.replace("|", r"\|")


def _default(item: Field[Any]) -> str:
    shown = item.metadata.get("shown", default_of(item))
    return "" if shown is None or shown is False or shown in ("", (), {}) else str(shown)


def files_block() -> str:
    """One line per module: its path, and the first line of its docstring."""
    return "\n".join(f"- `{path}`: {line}" for path, line in modules())


def modules() -> Iterator[tuple[str, str]]:
    """Path and first docstring line of each module, package by package from the top down."""
    paths = [path for path in (ROOT / "automl").rglob("*.py") if path.name != "__init__.py"]
    for path in sorted(paths, key=_place):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert docstring, f"{path} has no docstring"
        yield path.relative_to(ROOT).as_posix(), docstring.splitlines()[0]


def _place(path: Path) -> tuple[int, str]:
    parts = path.relative_to(ROOT / "automl").parts
    package = parts[0] if len(parts) > 1 else ""
    rank = PACKAGES.index(package) if package in PACKAGES else len(PACKAGES)
    return (-1 if path.name == "estimators.py" else rank, path.as_posix())


BLOCKS = {"options": options_block, "files": files_block}


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_parts_are_up_to_date(name: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.DOTALL)
    assert found, f"the README has no part {name!r}"
    assert found[1].strip() == BLOCKS[name](), "python tests/test_docs.py prints what is expected"


def test_every_module_says_what_it_holds_in_one_line() -> None:
    for path, line in modules():
        assert line.endswith("."), path
        assert README.count(f"- `{path}`: {line}\n") == 1, path


# Commands and options


@pytest.mark.parametrize("word", WORDS)
def test_every_command_has_its_part(word: str) -> None:
    assert f"### `automl {word}" in README


@pytest.mark.parametrize("word", WORDS)
def test_every_option_is_named(word: str) -> None:
    command = cli.get_command(click.Context(cli), word)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[-1]}" in README or f", {parameter.opts[-1]}" in README


def test_every_group_of_options_is_a_heading() -> None:
    fit = cli.get_command(click.Context(cli), "fit")
    assert fit is not None
    groups = {option.heading for option in fit.params if isinstance(option, GroupedOption)}
    assert len(groups) > 4
    for heading in groups:
        assert f"| **{heading}** |" in README


def shown_commands(page: str = "README.md") -> list[str]:
    """What a page shows of the shell, one command each, `automl` ones only."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in re.split(r" && | \| ", line.removeprefix("$ "))]
    return [part.strip() for part in parts if part.strip().startswith("automl ")]


@pytest.mark.parametrize(
    "line", dict.fromkeys(line for page in PAGES for line in shown_commands(page))
)
def test_a_shown_command_can_be_typed(line: str) -> None:
    word, *args = shlex.split(line, comments=True)[1:]
    with click.Context(cli) as above:
        command = cli.get_command(above, word)
        assert command is not None, line
        with command.make_context(word, args) as context:
            given = context.params
            if word == "fit" and not (given["file"] or given["resume"] or given["replay"]):
                assert resolve(given_settings(context), {}, None)


def test_every_command_is_shown() -> None:
    assert {line.split()[1] for line in shown_commands()} == set(WORDS)


# The two commands


def test_the_tests_are_run_as_continuous_integration_runs_them() -> None:
    assert INSTALL_AND_TEST in README
    assert CI.rstrip().endswith(INSTALL_AND_TEST)
    assert "python -m pytest -m slow" in README


def test_the_main_job_runs_on_an_example() -> None:
    line = next(line for line in README.splitlines() if "pip install . &&" in line)
    data = re.search(r"automl fit (\S+) --target (\S+)", line)
    assert data is not None
    header = (ROOT / data[1]).read_text(encoding="utf-8").splitlines()[0]
    assert data[2] in header.split(",")


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_to_files(path: str) -> None:
    assert (ROOT / path).exists()


def test_links_within_the_readme_lead_to_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    known = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= known


@pytest.mark.parametrize("page", PAGES)
def test_shown_modules_of_the_laboratory_exist(page: str) -> None:
    for name in re.findall(r"python -m benchmarks\.(\w+)", (ROOT / page).read_text("utf-8")):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name


def test_the_laboratory_names_its_modules() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "benchmarks").glob("[a-z]*.py"):
        assert f"`{path.name}`" in page


# Engines and recipes


def test_every_engine_and_recipe_is_told_about() -> None:
    for name in (*plugins.names("automl.engines"), *RECIPES):
        assert f"`{name}`" in README, name


if __name__ == "__main__":
    for block in BLOCKS.values():
        sys.stdout.write(block() + "\n\n")
