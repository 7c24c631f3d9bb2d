"""Plug-ins: the files of a package, entry points beside them, and little work to find both."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl import plugins
from automl.errors import ConfigError

GROUP = "automl.engines"
OWN = ("catboost", "lightgbm", "linear", "xgboost")

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a folder on the path in which a package declares entry points."""

    def installed(entry_points: str, *, source: str = "ENGINE = 'theirs'\n") -> Path:
        facts = tmp_path / "theirs-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        (tmp_path / "theirs.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        plugins.names.cache_clear()
        return tmp_path

    plugins.names.cache_clear()
    yield installed
    plugins.names.cache_clear()


def test_the_files_of_the_package_are_its_plugins() -> None:
    assert plugins.names(GROUP) == OWN
    assert plugins.own_names(GROUP) == set(OWN)
    assert plugins.load(GROUP, "lightgbm", "ENGINE").name == "lightgbm"


def test_an_entry_point_adds_a_name(install: Install) -> None:
    install(f"[other]\nx = y\n\n[{GROUP}]\nmine = theirs\n")
    assert plugins.names(GROUP) == (*OWN[:3], "mine", OWN[3])
    assert plugins.load(GROUP, "mine", "ENGINE") == "theirs"


def test_an_entry_point_replaces_no_file(install: Install) -> None:
    install(f"[{GROUP}]\nlightgbm = theirs\n")
    assert plugins.names(GROUP) == OWN
    assert plugins.load(GROUP, "lightgbm", "ENGINE") != "theirs"


def test_an_entry_point_of_another_group_is_not_ours(install: Install) -> None:
    install("[automl.engines.more]\nmine = theirs\n")
    assert plugins.names(GROUP) == OWN
    with pytest.raises(ConfigError, match=r"Unknown engine 'mine'"):
        plugins.load(GROUP, "mine", "ENGINE")


def test_an_unknown_name_has_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"Unknown engine 'lgihtgbm'\. Did you mean 'lightgbm'"):
        plugins.load(GROUP, "lgihtgbm", "ENGINE")
    with pytest.raises(ConfigError, match="Known: catboost, lightgbm, linear, xgboost"):
        plugins.load(GROUP, "q", "ENGINE")


@pytest.mark.parametrize("kind", ["archive", "finder"])
def test_places_that_cannot_be_listed_are_left_to_importlib(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not plugins._may_have_entry_points("automl.nobody")
    if kind == "archive":
        (tmp_path / "packed.zip").write_bytes(b"PK\x05\x06" + bytes(18))
        monkeypatch.syspath_prepend(tmp_path / "packed.zip")
    else:
        finder = SimpleNamespace(find_spec=lambda *_: None, find_distributions=lambda *_: ())
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert plugins._may_have_entry_points("automl.nobody")


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"]])
def test_help_does_not_read_the_metadata_of_packages(args: list[str]) -> None:
    code = (
        "import sys; from automl.cli.main import main; "
        f"main({args!r}); sys.exit('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
