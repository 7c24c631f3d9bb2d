"""Tables with nothing wrong in them, and faults to plant: by a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.es import dni

Rng = np.random.Generator
TEXT = "red blue old new big small chair table lamp shelf door window glass steel oak"
WORDS = TEXT.split()


def clean(rng: Rng) -> pd.DataFrame:
    """Numbers of many shapes, levels, dates, codes, texts and a target `y` that they half tell."""
    n = int(rng.integers(400, 2500))
    age = rng.integers(18, 90, n)
    x = rng.normal(size=n)
    group = rng.choice([f"g{i}" for i in range(int(rng.integers(3, 12)))], n)
    data = {
        "id": np.arange(n) + 1000,
        "age": age,
        "x": x,
        "price": np.round(np.exp(rng.normal(3, 0.7, n)), 2),
        "wait": rng.exponential(5, n),
        "visits": rng.poisson(4, n),
        "share": rng.uniform(size=n),
        "paid": np.where(rng.random(n) < 0.6, 0.0, np.round(rng.gamma(2, 30, n), 2)),
        "group": group,
        "flag": rng.choice(["yes", "no"], n),
        "day": _days(rng, n),
        "serial": ["".join(map(str, rng.integers(1, 10, 16))) for _ in range(n)],
        "part": [f"{a}-{b}" for a, b in zip(*rng.integers(100, 999, (2, n)), strict=True)],
        "version": [".".join(map(str, v)) for v in rng.integers(0, 20, (n, 4))],
        "product_name": [" ".join(rng.choice(WORDS, 2)) for _ in range(n)],
        "note": [" ".join(rng.choice(WORDS, 9)) for _ in range(n)],
        "number": rng.integers(10**8, 10**9, n),
    }
    frame = pd.DataFrame(data)
    for name in ("x", "price", "group"):
        frame.loc[rng.random(n) < 0.05, name] = np.nan
    signal = x + 0.03 * (age - 50) + 0.3 * (group == "g1")
    noise = rng.normal(size=n)
    frame["y"] = _target(signal + noise, rng)
    return frame


def _days(rng: Rng, n: int) -> list[str]:
    start = np.datetime64("2021-01-01")
    return [str(start + int(k)) for k in rng.integers(0, 900, n)]


def _target(signal: np.ndarray, rng: Rng) -> np.ndarray:
    kind = rng.integers(3)
    if kind == 0:
        return np.where(signal > np.quantile(signal, rng.uniform(0.3, 0.8)), "good", "bad")
    if kind == 1:
        return np.digitize(signal, np.quantile(signal, [0.3, 0.6])).astype(str) + np.array("c")
    return np.round(100 + 20 * signal, 3)


def _typed(make: Callable[[Rng], str]) -> Callable[[pd.DataFrame, Rng], str]:
    """Plants a column of cells that `make` writes; its name says nothing."""

    def plant(frame: pd.DataFrame, rng: Rng) -> str:
        frame["field_7"] = [make(rng) for _ in range(len(frame))]
        return "field_7"

    return plant


def _named(name: str, make: Callable[[Rng], object]) -> Callable[[pd.DataFrame, Rng], str]:
    def plant(frame: pd.DataFrame, rng: Rng) -> str:
        frame[name] = [make(rng) for _ in range(len(frame))]
        return name

    return plant


def _digits(rng: Rng, n: int) -> str:
    return "".join(map(str, rng.integers(0, 10, n)))


def _card(rng: Rng) -> str:
    start = str(rng.choice(["4", "51", "37", "6011"])) + _digits(rng, 11)
    number = (start + _digits(rng, 15))[:15]
    return number + luhn.calc_check_digit(number)


def _iban(rng: Rng) -> str:
    bare = "DE00" + _digits(rng, 18)
    return "DE" + iban.calc_check_digits(bare) + bare[4:]


def _cpf(rng: Rng) -> str:
    number = _digits(rng, 9)
    return cpf.format(number + cpf._calc_check_digits(number))


def _dni(rng: Rng) -> str:
    number = _digits(rng, 8)
    return number + dni.calc_check_digit(number)


def _phone(rng: Rng) -> str:
    return str(
        rng.choice(
            [
                f"+49 {_digits(rng, 3)} {_digits(rng, 7)}",
                f"({rng.integers(200, 900)}) {rng.integers(200, 900)}-{_digits(rng, 4)}",
                f"+1-{rng.integers(200, 900)}-{rng.integers(200, 900)}-{_digits(rng, 4)}",
            ]
        )
    )


def _ssn(rng: Rng) -> str:
    return f"{rng.integers(100, 600)}-{rng.integers(10, 99)}-{rng.integers(1000, 9999)}"


def _mail(rng: Rng) -> str:
    return f"{rng.choice(WORDS)}.{rng.choice(WORDS)}{rng.integers(999)}@mail{rng.integers(9)}.org"


def _said(rng: Rng) -> str:
    text = " ".join(rng.choice(WORDS, 9))
    return f"{text} write to {_mail(rng)} please" if rng.random() < 0.1 else text


PERSONAL = {
    "e-mail": _typed(_mail),
    "e-mail in text": _typed(_said),
    "phone": _typed(_phone),
    "phone as number": _named("mobile", lambda rng: int(rng.integers(2 * 10**9, 9 * 10**9))),
    "card": _typed(_card),
    "IBAN": _typed(_iban),
    "IP": _typed(lambda rng: ".".join(map(str, rng.integers(1, 255, 4)))),
    "SSN": _typed(_ssn),
    "CPF": _typed(_cpf),
    "DNI": _typed(_dni),
    "first name": _named("firstName", lambda rng: str(rng.choice(["Ana", "Bo", "José", "Zoë"]))),
    "name": _named("Name", lambda rng: f"{_word(rng)}, Mr. {_word(rng)}"),
    "birth": _named("date_of_birth", lambda rng: _days(rng, 1)[0]),
}


def _word(rng: Rng) -> str:
    return str(rng.choice(WORDS)).capitalize() + str(rng.choice(list("abcdefgh")))


def _copy(frame: pd.DataFrame, rng: Rng) -> str:
    frame["status"] = frame["y"]
    return "status"


def _renamed(frame: pd.DataFrame, rng: Rng) -> str:
    """Other words for the classes; another unit for numbers."""
    if frame["y"].dtype.kind == "f":
        frame["status"] = 1.8 * frame["y"] + 32
    else:
        frame["status"] = frame["y"].map({v: f"s{i}" for i, v in enumerate(set(frame["y"]))})
    return "status"


def _nearly(frame: pd.DataFrame, rng: Rng) -> str:
    """What was measured after the fact: the target and a little noise."""
    codes = frame["y"] if frame["y"].dtype.kind == "f" else pd.factorize(frame["y"])[0]
    values = np.asarray(codes, dtype=float)
    frame["measured"] = values + rng.normal(0, 0.02 * values.std(), len(frame))
    return "measured"


def _ordered(frame: pd.DataFrame, rng: Rng) -> str:
    """Numbered class by class, then shuffled."""
    order = np.argsort(frame["y"].to_numpy(), kind="stable")
    frame.loc[order, "id"] = np.arange(len(frame)) + 1
    return "id"


LEAKS = {"copy": _copy, "renamed": _renamed, "nearly": _nearly, "ordered id": _ordered}


def _far(frame: pd.DataFrame, rng: Rng) -> str:
    """A lost decimal point."""
    name = str(rng.choice(["age", "share", "price", "wait"]))
    rows = rng.choice(np.flatnonzero(frame[name].notna()), 4, replace=False)
    frame[name] = frame[name].astype(float)
    frame.loc[rows, name] = frame.loc[rows, name] * 1000 + 1000 * frame[name].median()
    return name


def _code(frame: pd.DataFrame, rng: Rng) -> str:
    """A code for missing cells."""
    name = str(rng.choice(["age", "x", "price", "wait", "share"]))
    frame.loc[rng.random(len(frame)) < 0.02, name] = float(rng.choice([-999, -9999, 99999]))
    return name


OUTLIERS = {"decimal point": _far, "code": _code}


def duplicated(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    """One row in a hundred is there twice, with a number of its own."""
    rows = rng.choice(len(frame), max(3, len(frame) // 100), replace=False)
    whole = pd.concat([frame, frame.iloc[rows]], ignore_index=True)
    whole["id"] = np.arange(len(whole)) + 1000
    return whole.iloc[rng.permutation(len(whole))].reset_index(drop=True)


def unequal(frame: pd.DataFrame, rng: Rng) -> pd.DataFrame:
    """Three positive rows in a hundred."""
    frame["y"] = np.where(rng.random(len(frame)) < 0.03, "good", "bad")
    return frame
