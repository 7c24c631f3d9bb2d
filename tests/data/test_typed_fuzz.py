"""Damaged Parquet, Arrow and JSON-lines files are read or refused; native code never crashes.

`python tests/data/test_typed_fuzz.py FIRST N` reads N of them, and says of which it died.
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

PATCHES = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x40")
MOST_MEMORY = 4 << 30  # so that what asks for more is found, and the machine lives


def seeds() -> dict[str, bytes]:
    """Small files of every kind, by name."""
    rng = np.random.default_rng(0)
    plain = pd.DataFrame(
        {
            "a": rng.normal(size=200),
            "b": rng.integers(0, 9, 200),
            "c": rng.choice(["x", "yy", "zzz"], 200),
            "d": pd.date_range("2020", periods=200),
            "e": rng.random(200) > 0.5,
        }
    )
    found = {"t.jsonl": plain.drop(columns="d").to_json(orient="records", lines=True).encode()}
    for name, frame in (("", plain), ("c", plain.astype({"c": "category"}))):
        files = {
            f"{name}.{kind}": io.BytesIO() for kind in ("parquet", "feather", "raw", "arrows")
        }
        frame.to_parquet(files[f"{name}.parquet"])
        frame.to_feather(files[f"{name}.feather"])
        frame.to_feather(files[f"{name}.raw"], compression="uncompressed")
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_stream(files[f"{name}.arrows"], table.schema) as writer:
            writer.write_table(table)
        found |= {key: file.getvalue() for key, file in files.items()}
    return found


def mutated(content: bytes, rng: random.Random) -> bytes:
    """`content` with a few changed bytes, mostly near the ends, where the metadata is."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        near = min(2500, len(data))
        places = (
            rng.randrange(len(data)),
            rng.randrange(near),
            len(data) - 1 - rng.randrange(near),
        )
        at = rng.choice(places)
        change = rng.randrange(6)
        if change < 3:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 3:
            data[at : at + 4] = rng.choice(PATCHES)
        elif change == 4:
            del data[at : at + rng.randrange(1, 30)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data) or b"x"


def fuzz(first: int, n: int, folder: Path) -> None:
    """Read the cases whole and in chunks; whatever is no AutoMLError ends this process."""
    from automl.data.read import read, read_chunks
    from automl.errors import AutoMLError

    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    known = seeds()
    for number in range(first, first + n):
        rng = random.Random(f"case {number}")
        name = rng.choice(sorted(known))
        path = folder / name
        path.write_bytes(mutated(known[name], rng))
        sys.stdout.write(f"{number} {name}\n")
        sys.stdout.flush()
        try:
            frames = [read(path).frame, *(part.frame for part in read_chunks(path, chunk_rows=50))]
        except AutoMLError as error:
            str(error).encode()
            continue
        for frame in frames:
            frame.to_csv(io.BytesIO())


def run_apart(first: int, n: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, str(first), str(n)],
        capture_output=True,
        timeout=60 + n,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout[-40:] + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == n


def test_damaged_typed_files() -> None:
    run_apart(0, 100)


@pytest.mark.slow
def test_two_thousand_damaged_typed_files() -> None:
    run_apart(300, 2000)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(folder))
