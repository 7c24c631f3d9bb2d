"""The page before the service itself: the command, a bundle, a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from browser import Browser

BUNDLES = Path(__file__).parents[1] / "bundles"
SETTLED = (
    "document.querySelector('.why svg') && !document.querySelector('[aria-busy]')"
    " && document.querySelector('.reach h3')"
)
EVIL = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "a" * 10_000,
    "\u202egnp.exe\u202c",
    "</title></style></svg></table>",
)


@contextmanager
def serving(*bundles: str) -> Iterator[str]:
    """The address that `automl serve` says."""
    pytest.importorskip("uvicorn")
    command = [sys.executable, "-m", "automl", "serve", *bundles, "--port", "0"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert started.stderr is not None
        said: list[str] = []
        for line in started.stderr:
            said.append(line)
            if found := re.search(r"http://[0-9.:]+", line):
                break
        else:
            raise AssertionError("".join(said))
        yield f"{found[0]}/"
    finally:
        started.terminate()
        started.communicate(timeout=60)


def complaints(one: Browser, address: str) -> Sequence[str]:
    ours = (address, "data:image/svg+xml", f"blob:{address}")
    return [*one.errors, *(place for place in one.requests if not place.startswith(ours))]


def put(one: Browser, place: str, value: str) -> None:
    one.run(
        f"""(() => {{ const e = document.querySelector({json.dumps(place)});
        e.value = {json.dumps(value)};
        e.dispatchEvent(new Event("input", {{ bubbles: true }})); }})()"""
    )


def test_the_page_of_a_real_bundle_answers(opened: Browser) -> None:
    """A bundle of the first format: without stored importances, intervals and a card."""
    with serving(f"old={BUNDLES / 'format-1'}", f"same={BUNDLES / 'format-1'}") as address:
        opened.open(address)
        opened.until(SETTLED)
        before = opened.run("document.querySelector('.why svg').textContent")
        opened.run(
            "[...document.querySelectorAll('.missing')].forEach((button) => button.click())"
        )
        opened.until(f"{SETTLED} && document.querySelectorAll('.is-missing').length > 2")
        now = "document.querySelector('.why svg').textContent"
        opened.until(f"{now} !== {json.dumps(before)} && {now}.includes('= missing')")
        opened.run("document.querySelector('nav a[href=\"#table\"]').click()")
        rows = (BUNDLES / "format-1.rows.csv").read_text(encoding="utf-8")
        put(opened, "#csv", rows)
        opened.run("document.querySelector('.drop .primary').click()")
        opened.until("document.querySelector('.scores table')")
        assert opened.run("document.querySelectorAll('.scores tbody tr').length") == min(
            25, len(rows.strip().splitlines()) - 1
        )
        # A row of the file in the form: '321.39 €' and '04.06.2025' are a number and a date there.
        opened.run("document.querySelector('.scores tbody button').click()")
        opened.until(SETTLED)
        boxes = "[...document.querySelectorAll('.box')].map((box) => box.value)"
        assert {"321.39", "2025-06-04", "11.04"} <= set(opened.run(boxes))
        assert opened.run("document.querySelectorAll('.note:not([hidden])').length") == 0
        opened.run("document.querySelector('nav a[href=\"#api\"]').click()")
        opened.until("document.querySelector('.paths details')")
        assert complaints(opened, address) == []
        # The other model, through the list of models.
        select = "document.querySelector('.top select')"
        opened.leaving(f"{select}.selectedIndex = 1; {select}.dispatchEvent(new Event('change'))")
        assert opened.run("location.pathname") == "/models/same/"
        opened.until(SETTLED)
        assert complaints(opened, address) == []


def hostile_table(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    first = rng.normal(size=n)
    level = rng.integers(0, len(EVIL), n)
    shape = rng.normal(size=n) + (level == 2)
    return pd.DataFrame(
        {
            EVIL[0]: first,
            EVIL[1]: [EVIL[i] for i in level],
            EVIL[3]: shape,
            EVIL[4]: pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"),
            EVIL[2]: [EVIL[i] for i in np.digitize(first + shape, [-0.7, 0.7])],
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_hostile_table_becomes_an_inert_page(
    opened: Browser, tmp_path: Path, *, width: int, dark: bool
) -> None:
    table = hostile_table()
    table.to_csv(tmp_path / "table.csv", index=False)
    asked = ["--target", EVIL[2], "--trials", "2", "--output", str(tmp_path / "model")]
    command = [sys.executable, "-m", "automl", "fit", str(tmp_path / "table.csv"), *asked]
    subprocess.run(command, check=True, capture_output=True)
    with serving(str(tmp_path / "model")) as address:
        opened.open(address, width=width, dark=dark)
        opened.until(SETTLED)
        opened.run("document.querySelectorAll('.fields-head button')[1].click()")
        opened.until(SETTLED)
        for view in ("card", "api", "table"):
            opened.run(f"document.querySelector('nav a[href=\"#{view}\"]').click()")
            assert opened.run("document.documentElement.scrollWidth") <= width
        put(opened, "#csv", table.head(30).to_csv(index=False))
        opened.run("document.querySelector('.drop .primary').click()")
        opened.until("document.querySelector('.scores table')")
        assert opened.run("document.documentElement.scrollWidth") <= width
        opened.until("document.querySelector('.model-card h2')")
        assert opened.run("document.querySelectorAll('main script, main img, iframe').length") == 0
        assert complaints(opened, address) == []
