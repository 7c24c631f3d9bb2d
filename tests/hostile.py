"""Hostile delimited text: odd cells, odd bytes, odd lines, by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

# Cells as they stand in a file, well and badly quoted.
CELLS = (
    *("a", '"a"', '"a""b"', 'a"b', '"a"b', '"a"b"', '""', '"""', '"a,b"', '"a\nb"', ' "a" '),
    *("'a'", "'a,b'", "it's", '\\"', '"\\""', "", "  ", "#", "1", "-1", "ä", '"a"  ', '"a" "b"'),
    *('" a"', '"a\r\nb"', "a\\", '"a\\"', "\x0b", "\u2028", "\x85", "x\x1cy", '"\n"', "a;b"),
    *("a\tb", "a|b", "\u00a0", "\u3000", "NA", "3,5", "1e999", "-0", "=1+1", "\x1b[31m", "12%"),
    *("$1,200", "1.234,5", "2020-02-30", "31/12/2020", "00020", "9" * 40, "yes", "True"),
)
LINES = ("", "  ", "\t", '""', "# comment", "\u00a0", "sep=;", "---")
BYTES = (
    *(b'"', b"'", b",", b";", b"\n", b"\r", b"\r\n", b"\\", b"\t", b"|", b"#", b" ", b"\0"),
    *(b"\xff", b"\xc3", b'""', b'\\"', b"\n\n", b",,", b'"\n', b'\n"', b"\xef\xbb\xbf", b"\x85"),
    *(b"\xe2\x80\xa8", b"\x0b", b"\x1a", b"\x1b[2J", b"sep=;\n", b"# x\n"),
)
SWAPS = ((b",", b";"), (b"\n", b"\r\n"), (b'"', b"'"), (b"\n", b"\r"), (b",", b"\t"))
ENCODINGS = (*["utf-8"] * 8, "utf-8-sig", "utf-16", "latin-1", "cp1252")


def table(rng: random.Random) -> bytes:
    """A table whose rows mostly have one width and cells of `CELLS`."""
    width = rng.choice([1, 1, 2, 2, 3, 5])
    pool = rng.sample(CELLS, rng.randint(2, len(CELLS)))
    delimiter, end = rng.choice(",,;\t|"), rng.choice(["\n", "\n", "\r\n", "\r"])
    usual, share = rng.choice(["v", '"v"', "'v'", "1"]), rng.choice([0.05, 0.3, 1.0])
    lines = []
    if rng.random() < 0.8:
        lines.append(delimiter.join(f"{rng.choice(['x', 'a b', 'n1'])}{i}" for i in range(width)))
    for _ in range(rng.randint(1, 40)):
        cells = [rng.choice(pool) if rng.random() < share else usual for _ in range(width)]
        lines.append(delimiter.join(cells))
        if rng.random() < 0.03:
            lines.append(rng.choice(LINES))
    text = end.join(lines) + end * (rng.random() < 0.8)
    return text.encode(rng.choice(ENCODINGS), "ignore")


def mutated(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """`content` with one to four changes of a few bytes each."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.randint(1, 40))
        change = rng.randrange(8)
        if change == 0:
            data[start:end] = rng.randbytes(rng.randint(0, 3))
        elif change in (1, 2):
            data[start:start] = rng.choice(BYTES)
        elif change == 3:
            del data[start:end]
        elif change == 4:
            data[start:start] = data[start:end]
        elif change == 5:
            del data[start:]
        elif change == 6:
            other = rng.choice(others)
            begin = rng.randrange(len(other) + 1)
            data[start:start] = other[begin : begin + rng.randint(1, 60)]
        else:
            data[:] = data.replace(*rng.choice(SWAPS))
    return bytes(data)


def hostile(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A table of odd cells, a mutated one, or a mutation of one of `seeds`."""
    kind = rng.random()
    if kind < 0.4:
        return table(rng)
    return mutated(table(rng) if kind < 0.6 else rng.choice(seeds), rng, seeds)
