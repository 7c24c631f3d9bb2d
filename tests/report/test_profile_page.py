"""The page of a profile is whole, small and inert, whatever the table holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd

from automl.report.page import shown
from automl.report.profile import profile_page
from automl.workflows.profile import profile

EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd()|' /C calc'!A0",
    "a" * 10_000,
    "\u202egnp.exe\u202c",
    "' onload='alert(1)",
    "</title></style></svg>",
    "&lt;b&gt; \x1b[31m \x00",
)
_TAGS = """html head meta title style body main h1 h2 h3 p dl div dt dd nav a section ul li span
    table thead tbody tr th td svg g rect circle line text i b bdi code"""


TAGS = frozenset(_TAGS.split())


class _Reader(HTMLParser):
    """Collects what a browser would see: tags that are open, attributes, text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def hostile(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"{name}": rng.choice(EVIL, n) for name in EVIL})
    frame["x<y"] = rng.normal(size=n)
    frame["z&z"] = frame["x<y"] * 2 + rng.normal(size=n)
    frame["<b>target</b>"] = rng.choice(EVIL[:4], n)
    return frame


def test_a_hostile_table_gives_an_inert_page() -> None:
    page = profile_page(profile(hostile(), "<b>target</b>"))
    found = read(page)
    assert found.tags <= TAGS, found.tags - TAGS
    assert not {name for name in found.attributes if name.startswith("on")}
    assert found.attributes.isdisjoint({"src", "action", "formaction", "srcdoc"})
    assert "<script>alert(1)</script>" in "".join(found.text), "it is there as text"
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page)
    assert "a" * 600 not in page
    assert "default-src 'none'" in page
    links = re.findall(r'href="([^"]*)"', page)
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_page_of_a_wide_table_stays_small() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 1500)), columns=[f"c{i}" for i in range(1500)])
    frame["y"] = rng.choice(["a", "b"], 120)
    page = profile_page(profile(frame, "y"))
    assert len(page.encode()) < 6_000_000
    assert "1,001 more columns" in page
    read(page)


def test_persons_are_masked() -> None:
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "email": [f"jane{i}@example.org" for i in range(n)],
            "note": [f"secretword{i} is told to nobody but to row {i}" for i in range(n)],
            "rare": rng.choice(["often", "seldom"], n).tolist()[:-1] + ["onlyone"],
            "y": rng.choice(["a", "b"], n),
        }
    )
    page = profile_page(profile(frame, "y"))
    for secret in ("jane1", "example.org", "secretword", "onlyone"):
        assert secret not in page
    assert "xxxx9@xxxxxxx.xxx" in page
    assert "often" in page


def test_text_is_shown_as_text() -> None:
    assert shown("a<b>\u202e\x00c") == "a&lt;b&gt;c"
    assert shown("x" * 100, 10) == "xxxxxxxxx…"
    assert shown("\u200b") == "(blank)"
    assert shown("a\ud800b") == "ab"
