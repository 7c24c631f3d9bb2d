"""Personal data in a column, by its name and its cells: e-mail, phone, card, IBAN, IP, ids, names.

Check digits (Luhn, mod 97, the national schemes) are those of python-stdnum.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import cast

import numpy as np

from automl.data.cells import Cells, level_texts
from automl.data.kinds import words_of
from automl.data.schema import Kind

Check = Callable[[str], bool]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOOKED_AT = 1000  # distinct cells, evenly spread
_FIRST_LOOK = 60  # … of which so many decide whether a costly check goes on
_LONGEST = 2000  # characters of one cell
_MOST = 0.6  # share of the cells that makes the column personal
_NEARLY_ALL = 0.8  # for what chance or other codes can look like
_LEAST_DISTINCT = 10
# Free text with such a share of cells that hold an address, and at least so many cells.
_EMBEDDED, _EMBEDDED_CELLS = 0.005, 3

_MAIL = re.compile(r"[^\s@,;<>()\"]{1,64}@[^\s@,;<>()\"]{1,190}\.[A-Za-z]{2,24}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?:\d[ -]?){12,18}\d")
_PHONE = re.compile(r"(?:\+|00)\d[\d\s().\-/]{6,22}\d|\(\d{2,5}\)[\s\d.\-/]{5,16}\d")
_GROUPED = re.compile(r"\d{2,5}(?:[ .\-/]\d{2,6}){1,5}")
_DATE = re.compile(r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}.*|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}.*")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_SOME_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]{3,45}")
_NUMBERED = re.compile(r"[A-Z0-9](?:[ ./-]?[A-Z0-9]){7,19}")
_LETTERS = re.compile(r"[^\W\d_][^\d_@/\\<>{}=]{0,79}")
_CAPITALS = re.compile(r"(?:[^\W\d_][\w'’.\-]*,? ){1,5}[^\W\d_][\w'’.\-]*")  # noqa: RUF001
_NATIONAL = _words(
    """es.dni es.nie it.codicefiscale fr.nir de.idnr br.cpf in_.aadhaar pl.pesel
nl.bsn be.nn ch.ssn se.personnummer fi.hetu dk.cpr cn.ric no.fodselsnummer ca.sin mx.curp za.idnr
kr.rrn ro.cnp tr.tckimlik bg.egn cz.rc ee.ik gb.nhs"""
)

_WHOLE_NAMES = _words("""firstname lastname surname forename givenname familyname fullname
    middlename maidenname vorname nachname familienname prenom nomdefamille apellido apellidos
    cognome voornaam achternaam imie nazwisko""")
_PEOPLE = _words("""customer client patient employee contact person passenger student owner user
    guest member applicant borrower driver teacher doctor donor holder cardholder tenant parent
    child wife husband spouse""")
_MAIL_WORDS = frozenset(("email", "mail", "emailaddress", "mailaddress"))
_PHONE_WORDS = _words(
    "phone telephone mobile tel cell cellphone fax telefon handy msisdn phonenumber"
)
_STREETS = _words("address addr street streetaddress strasse straße adresse direccion")
_NO_STREET = frozenset(("email", "mail", "ip", "mac", "web", "url", "memory", "wallet"))
_BIRTHS = ("birthdate", "dateofbirth", "birthday", "geburtsdatum", "geburtstag", "datenaissance")
_ID_NAMES = _words("ssn passport nino aadhaar pesel cpf dni bsn nric passportno passportnumber")
_ID_PARTS = (
    *("socialsecurity", "nationalid", "taxid", "taxpayer", "driverlicen", "drivinglicen"),
    *("personalnumber", "insurancenumber", "passport"),
)
_ACCOUNTS = ("iban", "accountnumber", "accountno", "bankaccount", "kontonummer")
_CARDS = ("creditcard", "cardnumber", "cardno", "debitcard")


@dataclass(frozen=True)
class Personal:
    """What a column tells of persons.

    what: for people, such as "e-mail addresses".  share: of the cells looked at that show it,
    0..1; None where only the column's name says so.  embedded: inside of longer texts.
    """

    what: str
    share: float | None
    embedded: bool = False

    @property
    def evidence(self) -> str:
        if self.share is None:
            return "by its name"
        return f"in {self.share:.1%} of the distinct cells"


def find_personal(name: str, cells: Cells, kind: Kind) -> Personal | None:
    """The personal data in column `name`, or None.

    Cells are proof where they have a form of their own or a check digit; else the name has to say
    it and the cells have to look like it.
    """
    texts = _sampled(cells)
    if not texts or kind is Kind.BOOLEAN:
        return None
    # Measured numbers have no form that could tell; to look for one in each of them takes long.
    measured = cells.source == "number" and bool((cells.values % 1 > 0).any())
    found = None if kind is Kind.DATETIME or measured else _by_values(texts, name)
    return found or _by_name(name, texts, cells, kind)


def _sampled(cells: Cells) -> list[str]:
    """Distinct cells as text, without surrounding blanks and cut where they are very long."""
    if cells.source == "text":
        step = max(1, len(cells.texts) // _LOOKED_AT)
        return [str(text)[:_LONGEST] for text in cells.texts[::step]]
    if cells.source == "boolean":
        return []
    values = np.unique(cells.values[~np.isnan(cells.values)])
    values = values[:: max(1, len(values) // _LOOKED_AT)]
    if bool((values % 1 == 0).all()):
        return [f"{value:.0f}" for value in values]
    return level_texts(values, cells.source)


def _by_values(texts: Sequence[str], name: str) -> Personal | None:
    for what, least, check in _DETECTORS:
        share = _share(texts, check, least)
        if share is not None and not _excused(what, name):
            return Personal(what, share)
    if len(texts) >= _LEAST_DISTINCT:
        for module in sorted(_NATIONAL):
            share = _share(texts, _national(module), _NEARLY_ALL)
            if share is not None:
                return Personal("national identity numbers", share)
    return _embedded(texts)


def _share(texts: Sequence[str], check: Check, least: float) -> float | None:
    """Share of the texts that pass, or None if it is below `least` or they are too few to tell."""
    if len(texts) < 3:
        return None
    step = max(1, len(texts) // _FIRST_LOOK)
    first = texts[::step]
    if sum(map(check, first)) < 0.9 * least * len(first):
        return None
    share = sum(map(check, texts)) / len(texts)
    return share if share >= least else None


def _excused(what: str, name: str) -> bool:
    """Version numbers have the form of IP addresses, serial numbers that of cards."""
    words = set(words_of(name))
    return what == "IP addresses" and bool(words & {"version", "release", "build", "firmware"})


def _embedded(texts: Sequence[str]) -> Personal | None:
    """E-mail addresses, IBANs and phone numbers with their prefix inside of longer texts."""
    found: list[Personal] = []
    for what, pattern, check in _INSIDE:
        hits = sum(any(check(match[0]) for match in pattern.finditer(text)) for text in texts)
        if hits >= max(_EMBEDDED_CELLS, _EMBEDDED * len(texts)):
            found.append(Personal(what, hits / len(texts), embedded=True))
    return max(found, key=lambda one: one.share or 0.0, default=None)


def _by_name(name: str, texts: Sequence[str], cells: Cells, kind: Kind) -> Personal | None:
    words = words_of(name)
    joined = "".join(words)
    if kind is Kind.DATETIME or cells.source == "datetime":
        born = "dob" in words or any(word in joined for word in _BIRTHS)
        return Personal("dates of birth", None) if born else None
    for what, is_named, looks_like in _NAMED:
        if is_named(words, joined) and sum(map(looks_like, texts)) >= _NEARLY_ALL * len(texts):
            return Personal(what, None)
    return None


# What cells look like


def _is_mail(text: str) -> bool:
    return _MAIL.fullmatch(text) is not None


def _is_iban(text: str) -> bool:
    return _IBAN.fullmatch(text) is not None and _valid("iban", text)


def _is_card(text: str) -> bool:
    """13 to 19 digits that begin as the schemes' do (ISO/IEC 7812) and pass Luhn's check."""
    if not _CARD.fullmatch(text):
        return False
    digits = re.sub(r"\D", "", text)
    return digits[0] in "23456" and len(set(digits)) > 3 and _valid("luhn", digits)


def _is_ip(text: str) -> bool:
    if not _SOME_IP.fullmatch(text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_phone(text: str) -> bool:
    """In groups or with a prefix; bare digits are a phone number only by the column's name."""
    if _DATE.fullmatch(text):
        return False
    digits = re.sub(r"\D", "", text)
    if _PHONE.fullmatch(text):
        return 8 <= len(digits) <= 15
    # Three groups of ten digits and more; longer ones that begin with 978 or 979 are books.
    grouped = _GROUPED.fullmatch(text) is not None and len(re.findall(r"\d+", text)) >= 3
    return grouped and 9 <= len(digits) <= 13 and not digits.startswith(("978", "979"))


def _is_ssn(text: str) -> bool:
    """Of the United States; it has no check digit, so the dashes have to be there."""
    return re.fullmatch(r"\d{3}-\d{2}-\d{4}", text) is not None and _valid("us.ssn", text)


def _is_mac(text: str) -> bool:
    return _MAC.fullmatch(text) is not None


@cache
def _national(module: str) -> Check:
    return lambda text: _NUMBERED.fullmatch(text.upper()) is not None and _valid(module, text)


@cache
def _validator(module: str) -> Check:
    return cast(Check, import_module(f"stdnum.{module}").is_valid)


def _valid(module: str, text: str) -> bool:
    return _validator(module)(text)


def _digits(least: int, most: int) -> Check:
    return lambda text: (
        least <= len(re.sub(r"\D", "", text)) <= most
        and (re.fullmatch(r"[+()\d\s./\-]+(?:[xX]\d+)?", text) is not None)
    )


def _looks_spoken(text: str) -> bool:
    return _LETTERS.fullmatch(text) is not None


def _looks_placed(text: str) -> bool:
    return any(letter.isalpha() for letter in text) and (" " in text or len(text) > 8)


def _looks_numbered(text: str) -> bool:
    return 5 <= len(text) <= 24 and sum(letter.isdigit() for letter in text) >= 4


def _looks_full(text: str) -> bool:
    """Two to six words that begin with a capital, such as `Braund, Mr. Owen`."""
    words = re.findall(r"[^\W\d_][\w'.\-]*", text)
    return _CAPITALS.fullmatch(text) is not None and all(word[0].isupper() for word in words)


# What names of columns say


def _names_people(words: Sequence[str], joined: str) -> bool:
    whole = any(word in _WHOLE_NAMES for word in words)
    pairs = {a + b for a, b in zip(words, words[1:], strict=False)} & _WHOLE_NAMES
    return whole or bool(pairs) or (words[-1:] == ["name"] and bool(_PEOPLE & set(words)))


def _says(words: frozenset[str]) -> Callable[[Sequence[str], str], bool]:
    return lambda found, joined: bool(words & {*found, joined})


_NAMED: tuple[tuple[str, Callable[[Sequence[str], str], bool], Check], ...] = (
    ("names of persons", _names_people, _looks_spoken),
    ("names of persons", lambda words, joined: list(words) == ["name"], _looks_full),
    ("e-mail addresses", _says(_MAIL_WORDS), lambda text: "@" in text),
    ("phone numbers", _says(_PHONE_WORDS), _digits(7, 15)),
    (
        "postal addresses",
        lambda words, joined: bool(_STREETS & set(words)) and not _NO_STREET & set(words),
        _looks_placed,
    ),
    (
        "dates of birth",
        lambda words, joined: "dob" in words or any(word in joined for word in _BIRTHS),
        lambda text: _DATE.fullmatch(text) is not None or re.fullmatch(r"\d{8}", text) is not None,
    ),
    (
        "national identity numbers",
        lambda words, joined: (
            bool(_ID_NAMES & set(words)) or any(part in joined for part in _ID_PARTS)
        ),
        _looks_numbered,
    ),
    (
        "payment cards",
        lambda words, joined: any(part in joined for part in _CARDS),
        _digits(12, 19),
    ),
    (
        "bank accounts",
        lambda words, joined: any(part in joined for part in _ACCOUNTS),
        _looks_numbered,
    ),
)
_DETECTORS: tuple[tuple[str, float, Check], ...] = (
    ("e-mail addresses", _MOST, _is_mail),
    ("IBANs", _MOST, _is_iban),
    ("payment cards", _MOST, _is_card),
    ("IP addresses", _NEARLY_ALL, _is_ip),
    ("network devices (MAC addresses)", _NEARLY_ALL, _is_mac),
    ("national identity numbers", _MOST, _is_ssn),
    ("phone numbers", _NEARLY_ALL, _is_phone),
)
_INSIDE: tuple[tuple[str, re.Pattern[str], Check], ...] = (
    ("e-mail addresses", _MAIL, _is_mail),
    ("IBANs", _IBAN, _is_iban),
    ("phone numbers", re.compile(r"(?<![\w+])\+\d[\d\s().\-]{6,18}\d"), _is_phone),
)


def masked(text: str, longest: int = 24) -> str:
    """The form of `text`: letters as x, digits as 9, so that no value can be read off it."""
    shape = "".join(_mask(letter) for letter in text[:longest])
    return shape + ("…" if len(text) > longest else "")


def _mask(letter: str) -> str:
    if letter.isdigit():
        return "9"
    if letter.isalpha():
        return "X" if letter.isupper() else "x"
    if letter.isspace():
        return " "
    return letter if letter.isascii() and letter.isprintable() else "?"
