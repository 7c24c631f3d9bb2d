"""Date formats as regular expressions with a group for each part of a date."""

from __future__ import annotations

import re
from typing import Final

from automl.data.dates import ISO
from automl.errors import ConfigError

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_WEEKDAYS: Final = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_ZONE: Final = r"(?P<z>Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"

# By directive of strptime, what pandas takes for it.
_PARTS: Final = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>1[0-2]|0[1-9]|[1-9])",
    "d": r"(?P<d>3[01]|[12][0-9]|0[1-9]|[1-9]| [1-9])",
    "H": r"(?P<H>2[0-3]|[01][0-9]|[0-9])",
    "I": r"(?P<I>1[0-2]|0[1-9]|[1-9])",
    "M": r"(?P<M>[0-5][0-9]|[0-9])",
    "S": r"(?P<S>6[01]|[0-5][0-9]|[0-9])",
    "f": r"(?P<f>[0-9]{1,9})",
    "z": r"(?P<z>Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9](?::?[0-5][0-9])?)",
    "p": r"(?P<p>am|pm)",
    "b": rf"(?P<b>{'|'.join(month[:3] for month in _MONTHS)})",
    "B": rf"(?P<b>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})",
    "a": rf"(?:{'|'.join(day[:3] for day in _WEEKDAYS)})",
    "A": rf"(?:{'|'.join(_WEEKDAYS)})",
}
_ISO: Final = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[01][0-9]|2[0-3]):(?P<M>[0-5][0-9])"
    r"(?::(?P<S>[0-5][0-9])(?:\.(?P<f>[0-9]{1,9}))?)?"
    rf"(?: ?{_ZONE})?)?"
)


def date_pattern(written: str) -> str:
    """The regular expression for all of a text in this format of a schema.

    Groups: Y m d H M S f z p as in strptime, I (hour of half a day), y (year of two digits), b
    (name of a month, long or short). Raises ConfigError for a directive that no schema has.
    """
    if written == ISO:
        return _ISO
    found = ["(?i)"]
    for part in re.findall(r"%.|\s+|.", written):
        if part[0] == "%" and part[1:] not in _PARTS:
            raise ConfigError(f"The date format {written!r} cannot be exported: {part!r}.")
        if part[0] == "%":
            found.append(_PARTS[part[1:]])
        else:
            found.append(r"\s+" if part.isspace() else re.escape(part))
    return "".join(found)
