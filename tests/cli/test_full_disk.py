"""A run on a small disk that fills up, and goes on once there is room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.model.bundle import verify_bundle

SIZE, ROOM = 200_000_000, 4_000_000  # bytes: of the disk, and for the run


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fit(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "automl", "fit", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(disk: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(3000, 8)), columns=list("abcdefgh"))
    table["y"] = np.select([table["a"] > 0.5, table["b"] * table["c"] > 0], ["p", "q"], "r")
    table.to_csv(disk / "table.csv", index=False)
    (disk / "ballast").write_bytes(bytes(SIZE - ROOM - (disk / "table.csv").stat().st_size))
    output = disk / "model"
    words = (str(disk / "table.csv"), "-t", "y", "--trials", "4", "-o", str(output))
    status, said = fit(*words, "--engines", "xgboost,lightgbm")
    assert status == 2, said
    assert "No space is left on the disk for '" in said
    assert f"Go on with `automl fit --resume {output}`" in said
    assert "Traceback" not in said
    assert not output.exists()
    assert fit("--resume", str(output))[0] == 2  # still no room, and nothing is lost by it
    (disk / "ballast").unlink()
    status, said = fit("--resume", str(output))
    assert status == 0, said
    verify_bundle(output)
    assert len(pd.read_csv(output / "leaderboard.csv")) == 4
    assert sorted(path.name for path in disk.iterdir()) == ["model", "table.csv"]
