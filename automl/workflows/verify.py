"""Check a bundle: whole, and its models safe to read and usable; no file of it is trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl.errors import BundleError
from automl.model.apart import read_apart
from automl.model.known import known_as
from automl.model.manifest import RUN, check_digest, read_manifest, verify_files


@dataclass(frozen=True)
class Verification:
    """What is said of a bundle in which nothing is wrong.

    digest: of the whole bundle; `require_digest` takes it.  known: how this user knew it before:
    "fit" (a run of this user wrote it), "checked", or None.  n_files, n_bytes: of the manifest.
    boosters: by engine, each read, and used on `n_rows` rows made up from the schema.
    run: whether the files of the run are there, which --resume needs.  unlisted: files that the
    manifest does not name and that nothing reads.
    """

    bundle: str
    digest: str
    format: int
    automl: str
    task: str
    target: str
    n_files: int
    n_bytes: int
    boosters: dict[str, int]
    n_rows: int
    known: str | None
    run: bool
    unlisted: list[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def verify(bundle: Path | str, *, require_digest: str | None = None) -> Verification:
    """Check everything about a bundle that can be checked without the data it was trained on.

    Format, names, sizes and the SHA-256 of every file first, then the models: they are read and
    used by a process of its own, whose crash or hang is told like any other damage.
    Raises BundleError that names the first thing that is wrong; ConfigError for a text that is
    no digest.
    """
    manifest = read_manifest(Path(bundle))
    if require_digest is not None:
        check_digest(manifest, require_digest)
    unlisted = verify_files(manifest, run=True)
    known = known_as(manifest.digest)
    reading = read_apart(manifest)
    data = manifest.data
    if any(not isinstance(data.get(name), str) for name in ("task", "target")):
        raise BundleError(f"The manifest of '{bundle}' names no task or no target.")
    return Verification(
        bundle=str(bundle),
        digest=manifest.digest,
        format=data["format"],
        automl=str(data.get("automl", "unknown")),
        task=data["task"],
        target=data["target"],
        n_files=len(manifest.files),
        n_bytes=sum(fact.size for fact in manifest.files.values()),
        boosters=reading.boosters,
        n_rows=reading.n_rows,
        known=known,
        run=any(name.startswith(RUN) and manifest.path(name).exists() for name in manifest.files),
        unlisted=unlisted,
    )
