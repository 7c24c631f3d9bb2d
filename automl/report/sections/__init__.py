"""The sections of a report in the order of the page, one file each.

A section `x` is two files: `automl/insight/x.py` computes its facts, `automl/report/sections/x.py`
draws them, with

    NAME      its key in `report.json`, the name of the file
    TITLE     its heading, plain text
    html      facts -> HTML
    STYLE     CSS rules of its own, optional
    SCRIPT    JavaScript of its own, optional; runs once, after the page
    HEADED    optional: its HTML has a heading already

The page allows just these scripts, by their digests. Data for one goes into `page.data`.
"""

from __future__ import annotations

from importlib import import_module

from automl import plugins
from automl.insight.evidence import Facts

ORDER = (
    *("result", "data", "race", "performance", "explanation", "wrong", "fairness"),
    "decisions",
)


class Section:
    """One section, its file loaded by name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _get(self, attribute: str) -> object:
        return plugins.load(__name__, self.name, attribute)

    @property
    def title(self) -> str:
        return str(self._get("TITLE"))

    def html(self, facts: Facts) -> str:
        return str(plugins.load(__name__, self.name, "html")(facts))

    @property
    def style(self) -> str:
        return str(self._optional("STYLE", ""))

    @property
    def script(self) -> str:
        return str(self._optional("SCRIPT", ""))

    @property
    def headed(self) -> bool:
        return bool(self._optional("HEADED", False))

    def _optional(self, attribute: str, default: object) -> object:
        return getattr(import_module(f"{__name__}.{self.name}"), attribute, default)


def sections() -> tuple[Section, ...]:
    """Those that there are, in the order of the page."""
    known = plugins.own_names(__name__)
    return tuple(Section(name) for name in ORDER if name in known)
