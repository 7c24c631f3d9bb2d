"""The page in headless Chromium, before a small service of a made-up model."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from browser import Browser
from made_service import TOKEN, Made, days, levels, number, serving

from automl.data.schema import Column, Kind

EVIL = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "a" * 10_000,
    "\u202egnp.exe\u202c",
    "</title></style></svg></table>",
    "__proto__",
    "a,b\n;c\td",
)
DRAWN = "!!document.querySelector('.why svg') && !document.querySelector('[aria-busy]')"
SETTLED = DRAWN + " && !!document.querySelector('.reach h3')"


def go(one: Browser, address: str, *, width: int = 1280, dark: bool = False) -> None:
    one.open(address, width=width, dark=dark)
    one.until(SETTLED)


def text(one: Browser, place: str) -> str:
    found = f"document.querySelector({json.dumps(place)})"
    return str(one.run(f"{found}.innerText ?? {found}.textContent"))


def put(one: Browser, place: str, value: Any) -> None:
    """Write into a field as a person does."""
    one.run(
        f"""(() => {{ const e = document.querySelector({json.dumps(place)});
        e.value = {json.dumps(value)};
        for (const kind of ["input", "change"])
          e.dispatchEvent(new Event(kind, {{ bubbles: true }})); }})()"""
    )


def click(one: Browser, place: str) -> None:
    one.run(f"document.querySelector({json.dumps(place)}).click()")


def complaints(one: Browser, address: str) -> list[str]:
    """Of the console, and addresses that are neither the service's nor the browser's own."""
    ours = (address, "data:image/svg+xml", "blob:" + address)
    return [*one.errors, *(place for place in one.requests if not place.startswith(ours))]


def test_a_changed_field_changes_prediction_reasons_and_curve(opened: Browser) -> None:
    made = Made()
    with serving(made) as address:
        go(opened, address)
        before = [text(opened, place) for place in (".big", ".why svg", ".curve + .hint")]
        expected = made.predicted({"age": 53.5, "colour": "red", "member": "no"})
        assert before[0].startswith("no")
        assert 0 < expected["probabilities"]["yes"] < 0.4
        put(opened, ".track input", 85)
        opened.until("document.querySelector('.big').innerText.startsWith('yes')")
        opened.until(
            f"{SETTLED} && document.querySelector('.why svg').textContent.includes('= 85')"
        )
        after = [text(opened, place) for place in (".big", ".why svg", ".curve + .hint")]
        assert before[0] != after[0]
        assert before[1] != after[1]
        assert opened.run("document.querySelector('.box').value") == "85"
        assert "since the start" in text(opened, ".since")
        # The chip of the change takes it back.
        click(opened, ".chip")
        opened.until("document.querySelector('.big').innerText.startsWith('no')")
        assert [text(opened, ".big"), opened.run("document.querySelector('.box').value")] == [
            before[0],
            "53.5",
        ]
        assert complaints(opened, address) == []


def sent(one: Browser) -> dict[str, Any]:
    """The row of the form, from the request that it shows."""
    shown = one.run("document.querySelector('pre').textContent").split("-d '")[1][:-2]
    record: dict[str, Any] = json.loads(shown.replace("'\\''", "'"))["records"][0]
    return record


def test_every_kind_of_field_may_be_changed_and_missing(opened: Browser) -> None:
    made = Made()
    with serving(made) as address:
        go(opened, address)
        put(opened, ".kind-categorical select", 2)
        click(opened, ".kind-boolean input[id$='-1']")
        put(opened, ".kind-datetime .box", "2017-03-04")
        put(opened, ".kind-text textarea", "it's <b>bold</b>")
        record = {"age": 53.5, "colour": "blue", "member": "yes", "since": "2017-03-04"}
        assert sent(opened) == {**record, "remark": "it's <b>bold</b>"}
        opened.run("document.querySelectorAll('.missing').forEach((one) => one.click())")
        assert set(sent(opened).values()) == {None}
        opened.until(
            f"{SETTLED} && document.querySelector('.why svg').textContent.includes('= missing')"
        )
        share = made.predicted({})["probabilities"]["yes"]
        assert f"{100 * (1 - share):.0f} %" in text(opened, ".big")
        assert complaints(opened, address) == []


def test_a_pointer_on_the_curve_moves_the_field(opened: Browser) -> None:
    with serving(Made()) as address:
        go(opened, address)
        x, y = opened.run(
            """(() => { const at = document.querySelector(".line-chart").getBoundingClientRect();
            return [at.right - 12, at.top + 60]; })()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            asked = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            opened._call("Input.dispatchMouseEvent", asked)
        opened.until("document.querySelector('.box').value === '90'")
        # A level is chosen in the same place.
        put(opened, ".pick select", 1)
        opened.until("document.querySelectorAll('.curve .level-bar').length === 6")
        click(opened, ".curve .level-bar:nth-child(3)")
        opened.until("document.querySelector('.kind-categorical select').value === '2'")
        # So is the smallest change that gives another class.
        opened.until(f"{SETTLED} && document.querySelector('.turns:not(.is-stale) .chip')")
        assert text(opened, ".big").startswith("yes")
        assert "no" in text(opened, ".turns .chip")
        click(opened, ".turns .chip")
        opened.until("document.querySelector('.big').innerText.startsWith('no')")
        assert complaints(opened, address) == []


def test_the_page_is_for_the_keyboard(opened: Browser) -> None:
    with serving(Made()) as address:
        go(opened, address)
        opened.press("Tab", 9)
        assert opened.run("document.activeElement.className") == "skip"
        opened.run("document.querySelector('.track input').focus()")
        opened.press("ArrowRight", 39)
        opened.until("document.querySelector('.box').value > 53.5")
        opened.run("document.querySelector('.segments input').focus()")
        opened.press("ArrowRight", 39)
        opened.until("document.querySelectorAll('.segments input')[1].checked")
        opened.until(
            "document.querySelector('.result [role=status]').textContent.includes('bought')"
        )
        tree = opened._call("Accessibility.getFullAXTree")["nodes"]
        roles = {"textbox", "slider", "combobox", "button", "radio", "searchbox", "link", "img"}
        asked = [one for one in tree if one.get("role", {}).get("value") in roles]
        assert len(asked) > 25
        assert [one for one in asked if not one["name"].get("value", "").strip()] == []


def test_late_answers_do_not_replace_newer_ones(opened: Browser) -> None:
    made = Made(wait=0.3)
    with serving(made) as address:
        go(opened, address)
        asked = len([path for path in made.seen if path.startswith("/predict?")])
        opened.run(
            """(async () => { const e = document.querySelector(".track input");
            for (let i = 20; i <= 80; i += 1) { e.value = i;
              e.dispatchEvent(new Event("input", { bubbles: true }));
              await new Promise((done) => setTimeout(done, 12)); } })()"""
        )
        opened.until(f"{SETTLED} && document.querySelector('.big').innerText.startsWith('yes')")
        share = made.predicted({"age": 80, "colour": "red", "member": "no"})["probabilities"]
        time.sleep(0.7)
        assert f"{100 * share['yes']:.0f} %" in text(opened, ".big")
        again = len([path for path in made.seen if path.startswith("/predict?")]) - asked
        assert again <= 8, "61 moves of a slider are few questions"


def test_a_refused_cell_is_told_at_its_field(opened: Browser) -> None:
    with serving(Made()) as address:
        go(opened, address)
        before = text(opened, ".big")
        put(opened, ".box", 666)
        opened.until("document.querySelector('.note.bad')?.innerText.includes('number of evil')")
        assert opened.run("document.querySelector('.box').ariaInvalid ?? 'set'") is not None
        assert "breaks the contract" in text(opened, ".result .alert")
        assert text(opened, ".big") == before
        put(opened, ".box", 500)
        opened.until("document.querySelector('.note.soft')?.innerText.includes('above')")
        opened.until("document.querySelector('.result .alert').hidden")


def dropped(one: Browser, content: str) -> None:
    one.run(
        f"""(() => {{ const carried = new DataTransfer();
        carried.items.add(new File([{json.dumps(content)}], "mine.csv"));
        document.querySelector(".drop").dispatchEvent(
          new DragEvent("drop", {{ dataTransfer: carried, bubbles: true }})); }})()"""
    )


def test_a_dropped_table_is_scored_and_its_scores_are_kept(
    opened: Browser, tmp_path: Path
) -> None:
    with serving(Made()) as address:
        go(opened, address)
        click(opened, "nav a[href='#table']")
        content = "colour,age,note\nred,20,=1+1\nblue,85,\n,,y\n"
        dropped(opened, content)
        opened.until("document.querySelectorAll('.scores tbody tr').length === 3")
        assert "yes 1" in text(opened, ".tally")
        opened.downloads(tmp_path)
        for link, name in ((1, "mine-scores.csv"), (2, "mine-scored.csv")):
            click(opened, f".scores a:nth-child({link})")
            deadline = time.monotonic() + 20
            while not (tmp_path / name).exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        scores = (tmp_path / "mine-scores.csv").read_text().split()
        assert scores == ["prediction", "no", "yes", "no"]
        joined = (tmp_path / "mine-scored.csv").read_text().splitlines()
        assert joined == [
            "colour,age,note,prediction",
            "red,20,'=1+1,no",
            "blue,85,,yes",
            ",,y,no",
        ]
        # Any row of it can be looked into.
        click(opened, ".scores tbody tr:nth-child(2) button")
        opened.until("document.querySelector('.big').offsetParent !== null")
        opened.until("document.querySelector('.big').innerText.startsWith('yes')")
        assert opened.run("document.querySelector('.box').value") == "85"
        assert complaints(opened, address) == []


def test_rounded_cells_stay_within_the_range(opened: Browser) -> None:
    low = Column(
        "n", Kind.NUMERIC, "number", "", minimum=-0.8596, maximum=9.591, bins=(-0.8596,) * 20
    )
    with serving(Made(columns=(low, *Made().columns))) as address:
        go(opened, address)
        assert opened.run("document.querySelector('.box').value") == "-0.8596"
        assert opened.run("document.querySelectorAll('.note:not([hidden])').length") == 0


def test_a_table_that_is_refused_names_row_and_column(opened: Browser) -> None:
    with serving(Made()) as address:
        go(opened, address)
        click(opened, "nav a[href='#table']")
        dropped(opened, "age\nold\n")
        opened.until("document.querySelector('.scores .alert')")
        assert "row 1, age: 'old' is not a finite number" in text(opened, ".scores .alert")
        assert "Score all the same" in text(opened, ".scores .alert button")


def test_a_token_is_asked_for_and_sent(opened: Browser) -> None:
    made = Made(token=True)
    with serving(made) as address:
        opened.open(address)
        opened.until("document.querySelector('#token')")
        assert made.seen.count("/page.json") == 1
        for token in ("wrong", TOKEN):
            put(opened, "#token", token)
            click(opened, ".token button")
            place = ".token [role=alert]" if token == "wrong" else ".why svg"
            opened.until(f"document.querySelector('{place}')")
        opened.until(SETTLED)
        assert TOKEN not in str(opened.run("document.documentElement.outerHTML"))
        assert TOKEN not in str(opened.run("location.href"))


def test_another_bundle_is_told(opened: Browser) -> None:
    made = Made()
    with serving(made) as address:
        go(opened, address)
        made.model = "another"
        put(opened, ".track input", 80)
        opened.until("document.querySelector('.result .alert button')")
        made.model = None
        opened.leaving("document.querySelector('.result .alert button').click()")
        opened.until(
            "document.querySelector('.result .alert')?.hidden && location.hash.includes('80')"
        )
        opened.until(SETTLED)


def test_the_address_holds_the_row(opened: Browser) -> None:
    with serving(Made()) as address:
        go(opened, address)
        put(opened, ".box", 80)
        opened.until("location.hash.includes('age')")
        place = str(opened.run("location.href"))
        opened.open("about:blank")
        go(opened, place)
        assert opened.run("document.querySelector('.box').value") == "80"


def hostile() -> Made:
    long = [f"{text[:3000]}{i}" for i in range(8) for text in EVIL]
    columns = [
        number(EVIL[0], 0, 1),
        number(EVIL[3], -5, 5),
        levels(EVIL[1], *EVIL),
        levels("x" * 300, *long),
        levels(EVIL[2], EVIL[4], EVIL[1], kind=Kind.BOOLEAN),
        days(EVIL[4]),
        Column(EVIL[5], Kind.TEXT, "text", ""),
        *(number(f"{EVIL[6]}{i or ''}", 0, 10) for i in range(60)),
    ]
    classes = (*EVIL, *(f"{EVIL[1]}{i}" for i in range(30)))
    card = f"# {EVIL[0]}\n\n- ![x](http://evil/x.png) [a](javascript:alert(1)) {EVIL[1]}\n"
    return Made(columns, classes, EVIL[0], card)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_hostile_names_levels_and_classes_are_text(
    opened: Browser, *, width: int, dark: bool
) -> None:
    with serving(hostile()) as address:
        go(opened, address, width=width, dark=dark)
        assert opened.run("document.documentElement.scrollWidth") <= width
        put(opened, ".field:nth-child(3) select", 1)
        opened.until(f"{SETTLED} && document.querySelector('.chip')")
        for view in ("table", "api", "card"):
            click(opened, f"nav a[href='#{view}']")
            opened.until(
                f"document.querySelector('nav a[href=\"#{view}\"]').ariaCurrent === 'page'"
            )
            assert opened.run("document.documentElement.scrollWidth") <= width
        opened.until("document.querySelector('.model-card h2')")
        assert (
            opened.run("document.querySelectorAll('.model-card a, .model-card img').length") == 0
        )
        assert EVIL[0] in text(opened, ".model-card h2")
        assert (
            opened.run("document.querySelectorAll('main script, img, iframe, object').length") == 0
        )
        # Longer texts are only in the values that are sent, and nothing turns the text around.
        assert (
            opened.run(
                "/a{601}|[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.querySelector('.view').innerText)"
            )
            is False
        )
        assert complaints(opened, address) == []


def test_many_columns_and_classes_stay_usable(opened: Browser) -> None:
    with serving(hostile()) as address:
        go(opened, address)
        every = "[...document.querySelectorAll('.field')]"
        seen = f"{every}.filter((one) => one.checkVisibility()).length"
        assert opened.run(seen) == 12
        put(opened, "input[type=search]", "proto__4")
        assert opened.run(seen) == 11  # 4, 40 to 49
        put(opened, "input[type=search]", "")
        click(opened, ".fields .more")
        assert opened.run(seen) == 67
        bars = "document.querySelectorAll('.result .class-bar').length"
        assert opened.run(bars) == 6
        click(opened, ".more-classes")
        assert opened.run(bars) == 38
        # Reasons and curve are those of the class that is looked at.
        before = text(opened, ".why svg")
        click(opened, ".result .class-bar:nth-child(30)")
        opened.until(f"document.querySelector('.why svg').innerHTML !== {json.dumps(before)}")
        assert opened.run(
            "document.querySelector('.class-bar[aria-pressed=true] .class-name').innerText"
        )


CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const over = ([r, g, b, a], under) =>
    [r, g, b].map((v, i) => (v * a + under[i] * (255 - a)) / 255);
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (rgb) => rgb.reduce((sum, v, i) =>
    sum + linear(v / 255) * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { if (!e) return [255, 255, 255];
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] === 255 ? own.slice(0, 3) : over(own, ground(e.parentElement)); };
  const found = [];
  for (const e of document.querySelectorAll("main *")) {
    const own = [...e.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !e.checkVisibility() || e.closest(".unseen, option, .is-missing")) continue;
    const style = getComputedStyle(e);
    const back = ground(e);
    const fore = over(rgba(e instanceof SVGElement ? style.fill : style.color), back);
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) found.push([e.tagName, e.textContent.slice(0, 30), ratio]);
  }
  return found;
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_letters_stand_out_from_their_ground(opened: Browser, *, dark: bool) -> None:
    with serving(Made()) as address:
        go(opened, address, dark=dark)
        put(opened, ".track input", 80)
        opened.until(f"{SETTLED} && document.querySelector('.chip')")
        assert opened.run(CONTRAST) == []
        for view in ("table", "api", "card"):
            click(opened, f"nav a[href='#{view}']")
            assert opened.run(CONTRAST) == []
