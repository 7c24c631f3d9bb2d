"""What the service answers when it does not do what was asked: a status, a reason, a way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHOWN_VIOLATIONS = 100


@dataclass(frozen=True)
class Violation:
    """A cell that breaks the contract; row 1 is the first row of the request, None = all rows."""

    row: int | None
    column: str | None
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"row": self.row, "column": self.column, "message": self.message}


class Refusal(Exception):
    """An answer with a status of 400 or more.

    headers: further ones.  close: the connection ends, as the rest of the request is not read.
    """

    def __init__(  # noqa: PLR0913 - the parts of an answer, each given once
        self,
        status: int,
        message: str,
        *,
        hint: str | None = None,
        violations: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.violations = violations
        self.headers = dict(headers or {})
        self.close = close

    def to_json(self) -> dict[str, Any]:
        shown = [violation.to_json() for violation in self.violations[:SHOWN_VIOLATIONS]]
        return {
            "error": {"message": self.message, "hint": self.hint, "violations": shown},
        }

    def body(self) -> bytes:
        return json.dumps(self.to_json()).encode("ascii")


def broken_contract(violations: Sequence[Violation], n: int | None = None) -> Refusal:
    """422 for rows that the model cannot take. n: violations in all, where not all are listed."""
    n = len(violations) if n is None else n
    first = violations[0]
    where = "" if first.row is None else f"Row {first.row}, "
    column = "" if first.column is None else f"column {first.column[:200]!r}: "
    what = first.message if where or column else first.message[:1].upper() + first.message[1:]
    more = f" And {n - 1:,} more." if n > 1 else ""
    return Refusal(
        422,
        f"{where}{column}{what}.{more}",
        hint="GET schema says what each column takes; ?mode=lenient scores what it can.",
        violations=violations,
    )
