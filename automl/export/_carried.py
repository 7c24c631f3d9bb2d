"""The bundle as an export carries it: what is needed to score, byte for byte, and no more."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.model.manifest import MANIFEST, read_manifest


@contextmanager
def carried_bundle(bundle: Path) -> Iterator[Path]:
    """A folder called `bundle` with a copy of it, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="automl-") as place:
        folder = Path(place) / "bundle"
        copy_bundle(bundle, folder)
        yield folder


def copy_bundle(bundle: Path, folder: Path) -> None:
    """Copy the listed files of `bundle` to the new `folder`, without those of its run.

    Only --resume reads these, and a manifest allows that they are missing.
    """
    manifest = read_manifest(bundle)
    for name in (MANIFEST, *manifest.scored):
        target = folder.joinpath(*name.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.joinpath(*name.split("/")), target)
