"""What is wrong with a page as headless Chromium shows it, and what its first screen says.

`python tests/pages.py PAGE_OR_BUNDLE... [--pictures FOLDER]` looks at each on a desk, on a phone
and in the dark, prints what is wrong as JSON, and ends with status 1 if anything is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from browser import Browser, browser, chromium

VIEWS = {
    "desk": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
    "dark": {"width": 1280, "height": 800, "dark": True},
}
LARGEST = 6_000_000  # bytes of a page

# Boxes of texts, in pixels: of a drawing those that meet, leave it, or are too small or too pale.
_LOOK = r"""
(() => {
  const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const said = (e) => [...e.childNodes].filter((n) => n.nodeName !== "title")
    .map((n) => n.textContent).join("").trim().slice(0, 40);
  const wrong = { meet: [], leave: [], small: [], pale: [], cut: [] };
  for (const svg of document.querySelectorAll("svg")) {
    if (!seen(svg)) continue;
    const edge = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter((t) => seen(t) && said(t));
    const turned = (t) => Math.abs(t.getScreenCTM().b) > 1e-3;
    const boxes = texts.map((t) => t.getBoundingClientRect());
    texts.forEach((text, i) => {
      const a = boxes[i];
      if (a.left < edge.left - 1.5 || a.right > edge.right + 1.5 || a.top < edge.top - 3
          || a.bottom > edge.bottom + 3) wrong.leave.push(said(text));
      const m = text.getScreenCTM();
      const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(m.a, m.b);
      if (size < 8.5) wrong.small.push(said(text) + " " + size.toFixed(1));
      for (let j = i + 1; j < texts.length; j++) {
        const b = boxes[j];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 4 && !(turned(text) && turned(texts[j])))
          wrong.meet.push(said(text) + " | " + said(texts[j]));
      }
    });
  }
  const light = (c) => { const v = c.map((x) => { x /= 255;
    return x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (text) => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = text;
    paint.fillRect(0, 0, 1, 1); return [...paint.getImageData(0, 0, 1, 1).data]; };
  const over = (top, below) => { const a = top[3] / 255;
    return [0, 1, 2].map((k) => a * top[k] + (1 - a) * below[k]).concat(255); };
  const drawn = (e) => { const s = getComputedStyle(e); const svg = e.namespaceURI.endsWith("svg");
    const fill = s.fill === "none" ? "transparent" : s.fill;
    const c = colour(svg && e.tagName !== "svg" ? fill : s.backgroundColor);
    c[3] *= parseFloat(s.opacity) * (svg ? parseFloat(s.fillOpacity) : 1); return c; };
  const below = (e, x, y) => { const list = document.elementsFromPoint(x, y);
    const from = list.indexOf(e); let c = colour(getComputedStyle(document.body).backgroundColor);
    const under = (from < 0 ? list : list.slice(from + (e.namespaceURI.endsWith("svg") ? 1 : 0)));
    for (const one of under.reverse()) {
      if (["text", "tspan", "html", "line", "polyline"].includes(one.tagName)) continue;
      c = over(drawn(one), c); }
    const tint = getComputedStyle(e, "::before"); // of a cell, behind its text
    if (tint.content === "none" || tint.position !== "absolute") return c;
    const tone = colour(tint.backgroundColor); tone[3] *= parseFloat(tint.opacity);
    return over(tone, c); };
  const letters = [...document.querySelectorAll("body *")].filter((e) => seen(e)
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
  for (const e of letters.slice(0, 3000)) {
    e.scrollIntoView({ block: "center", inline: "center" });
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest(":disabled")) continue;
    const style = getComputedStyle(e); const svg = e.namespaceURI.endsWith("svg");
    const back = below(e, box.left + box.width / 2, box.top + box.height / 2);
    const ink = colour(svg ? style.fill : style.color); ink[3] *= parseFloat(style.opacity);
    const a = light(over(ink, back)), b = light(back);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.2) wrong.pale.push(said(e) + " " + ratio.toFixed(1));
    if (!svg && parseFloat(style.fontSize) < 10) wrong.small.push(said(e) + " " + style.fontSize);
    const clips = ["hidden", "clip"].includes(style.overflowX);
    if (clips && style.textOverflow !== "ellipsis" && e.scrollWidth > e.clientWidth + 1)
      wrong.cut.push(said(e));
  }
  scrollTo(0, 0);
  return Object.fromEntries(Object.entries(wrong).filter(([, v]) => v.length)
    .map(([k, v]) => [k, [...new Set(v)].slice(0, 12)]));
})()
"""

# Of the first screen, without a scroll: the texts of what a reader must find there.
_FIRST = r"""
(() => {
  const whole = (e) => { const b = e.getBoundingClientRect();
    return e.checkVisibility() && b.height > 0 && b.top >= 0 && b.bottom <= innerHeight
      && b.left >= 0 && b.right <= innerWidth; };
  const found = {};
  for (const e of document.querySelectorAll("[data-first]"))
    if (whole(e)) (found[e.dataset.first] ||= []).push(e.textContent.trim());
  return found;
})()
"""


def faults(page: Browser, path: Path, view: str) -> dict[str, Any]:
    """What is wrong with the page in a view of `VIEWS`; it stays open there."""
    page.open(path, **VIEWS[view])
    found: dict[str, Any] = {}
    if path.stat().st_size > LARGEST:
        found["bytes"] = path.stat().st_size
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    wide = page.run("document.documentElement.scrollWidth")
    if wide > VIEWS[view]["width"]:
        found["wide"] = wide
    found.update(page.run(_LOOK))
    if page.errors:
        found["errors"] = list(page.errors)
    asked = [address for address in page.requests if not address.startswith("data:")]
    if asked != [path.resolve().as_uri()]:
        found["requests"] = asked
    return found


def first_screen(page: Browser, path: Path, view: str) -> dict[str, list[str]]:
    """Texts that lie wholly in the window before anybody scrolls, by what they are."""
    page.open(path, **VIEWS[view])
    found: dict[str, list[str]] = page.run(_FIRST)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--pictures", type=Path)
    chosen = parser.parse_args(arguments)
    program = chromium()
    if program is None:
        parser.error("no Chromium is installed")
    bad = False
    with browser(program) as page:
        for given in chosen.paths:
            path = given / "report.html" if given.is_dir() else given
            name = given.name if given.is_dir() else given.stem
            for view in VIEWS:
                first = first_screen(page, path, view)
                wrong = faults(page, path, view)
                bad |= bool(wrong)
                said = {"page": name, "view": view, "first": first, "wrong": wrong}
                sys.stdout.write(json.dumps(said) + "\n")
                if chosen.pictures is not None:
                    chosen.pictures.mkdir(parents=True, exist_ok=True)
                    page.open(path, **VIEWS[view])
                    page.picture(chosen.pictures / f"{name}-{view}-first.png", whole=False)
                    page.picture(chosen.pictures / f"{name}-{view}.png")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
