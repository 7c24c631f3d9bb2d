"""The model card of a bundle (Mitchell et al., 2019): Markdown, from the facts of its report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from automl.insight.evidence import Facts
from automl.report.markdown import bullets, plain, table

# How many of each are told.
_DRIVERS, _DROPPED, _CLASSES, _SEGMENTS, _WARNINGS, _PEOPLE = 5, 20, 12, 5, 12, 30
_GROUPS = 12
_PLACES = ("output", "temp_dir", "force", "target")  # say nothing of the model
_FILL = "*to be filled in:*"


def model_card(
    facts: Mapping[str, Facts], manifest: Mapping[str, Any], people: Mapping[str, str]
) -> str:
    """The whole card.

    facts: by the name of a section, as `report.json` holds them; what is not there is not told.
    manifest: the facts of the bundle.  people: what used columns hold of persons, by name.
    """
    result, data = facts.get("result", {}), facts.get("data", {})
    parts = [
        f"# Model card: {plain(manifest['target'])}",
        _details(manifest, result),
        _use(manifest, data),
        _data(data),
        _figures(result),
        _drivers(result),
        _limits(result, facts.get("wrong", {})),
        _fairness(facts.get("fairness", {})),
        _ethics(manifest, facts.get("fairness", {}), people),
        _lineage(manifest),
        _again(manifest),
        _contact(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _details(manifest: Mapping[str, Any], result: Facts) -> str:
    classes = manifest.get("classes") or []
    kind = plain(manifest["task"])
    if classes:
        named = ", ".join(plain(label, 40) for label in classes[:_CLASSES])
        kind += f" with {len(classes)} classes: {named}{', …' * (len(classes) > _CLASSES)}"
    lines = [
        f"Task: {kind}",
        f"Made for the metric: {plain(manifest['metric'])}",
        "Written by: `automl fit`; no person has reviewed it",
    ]
    members = result.get("members")
    if members:
        one = "the best" if members == 1 else f"a blend of {members}"
        tried = f"{result['candidates']} candidates, boosted trees and linear models"
        lines.insert(2, f"Model: {one} of {tried}")
    return "## Model\n\n" + bullets(lines)


def _use(manifest: Mapping[str, Any], data: Facts) -> str:
    known = f" like those of {plain(data['name'])}" if data.get("name") else ""
    lines = [
        f"It predicts {plain(manifest['target'])} for rows{known}: the same columns, filled in "
        "the same way, from the same kind of source.",
        "It finds what goes together, not what causes what: changing a column of a row in the "
        "world need not change its outcome.",
        "Not for: rows of another population or time than those of training, unless labelled rows "
        "from there were scored (`automl evaluate`).",
        f"{_FILL} who uses it, for which decision, and who must not.",
    ]
    return "## Intended use\n\n" + bullets(lines)


def _data(data: Facts) -> str:
    if not data:
        return ""
    kinds = ", ".join(f"{count} {plain(kind)}" for kind, count in data["kinds"].items())
    lines = [
        f"Table: {plain(data['name'])}, {_count(data['rows'])} rows with a target",
        f"Columns: {data['used']} of {data['columns']} used ({kinds})",
    ]
    lines += _target(data.get("target", {}))
    dropped = data.get("dropped", [])
    for name, _, reason in dropped[:_DROPPED]:
        lines.append(f"Not used: {plain(name)} ({plain(reason, 120)})")
    more = max(len(dropped) - _DROPPED, 0) + data.get("more_dropped", 0)
    if more > 0:
        lines.append(f"Not used: {more} more columns, listed in `schema.json`")
    lines.append(f"{_FILL} where the rows come from, when and how they were collected, consent.")
    return "## Data\n\n" + bullets(lines)


def _target(target: Facts) -> list[str]:
    if "classes" in target:
        total = max(target["rows"], 1)
        shares = [f"{plain(label, 40)} {count / total:.1%}" for label, count in target["classes"]]
        dots = ", …" if len(shares) > _CLASSES or target.get("more") else ""
        return [f"Target: {', '.join(shares[:_CLASSES])}{dots}"]
    if "quantiles" in target:
        low, _, middle, _, high = target["quantiles"]
        return [f"Target: {_figure(low)} to {_figure(high)}, median {_figure(middle)}"]
    return []


def _figures(result: Facts) -> str:
    head = "## How good it is\n\n"
    if result.get("score") is None:
        return head + "No score is on record; `automl evaluate` measures it on labelled rows."
    name = plain(result["metric"])
    rows = [[name, _figure(result["score"]), _span(result), _how(result)]]
    test = result.get("test")
    if test:
        said = f"{_count(test['rows'])} rows kept aside, scored once"
        rows.append([name, _figure(test["score"]), _span(test), said])
    if result.get("baseline") is not None:
        rows.append([name, _figure(result["baseline"]), "", "baseline: a constant prediction"])
    names = ("metric", "score", "95 % interval", "of")
    meaning = " ".join(plain(line, 400) for line in result.get("meaning", ()))
    better = "higher" if result.get("higher_is_better") else "lower"
    return f"{head}{table(names, rows)}\n\n{meaning} A {better} {name} is better."


def _how(result: Facts) -> str:
    splits, scheme = result.get("splits"), plain(result.get("validation") or "")
    what = f"rows that no model learned from ({scheme}, {splits} splits)"
    return what + (", corrected for choosing" if result.get("corrected") else "")


def _span(found: Facts) -> str:
    if found.get("low") is None or found.get("high") is None:
        return "not known"
    return f"{_figure(found['low'])} to {_figure(found['high'])}"


def _drivers(result: Facts) -> str:
    drivers = result.get("drivers", [])[:_DRIVERS]
    if not drivers:
        return ""
    rows = [[plain(one["column"]), f"{one['share']:.0%}"] for one in drivers]
    return (
        "## What moves its predictions\n\n"
        + table(("column", "share of all contributions"), rows)
        + "\n\nShares of mean absolute SHAP values. `automl explain` gives reasons for each row."
    )


def _limits(result: Facts, wrong: Facts) -> str:
    lines = [
        plain(one["text"], 300) + (f" ({plain(one['hint'], 200)})" if one["hint"] else "")
        for one in result.get("warnings", ())[:_WARNINGS]
    ]
    for one in wrong.get("slices", {}).get("found", ())[:_SEGMENTS]:
        where = " and ".join(plain(condition, 120) for condition in one["conditions"])
        worse = "" if one.get("times") is None else f", {one['times']:.1f} times the mean loss"
        lines.append(f"It is worse where {where} ({one['share']:.1%} of the rows{worse})")
    lines += [
        "The interval holds for rows drawn like those of training; where the world changes, the "
        "score does too.",
        "Levels that training did not know, and numbers outside of its range, are scored all the "
        "same; `automl predict --validation-report` counts them.",
    ]
    return "## Limits\n\n" + bullets(lines)


def _fairness(fairness: Facts) -> str:
    columns = fairness.get("columns", [])
    if not columns:
        return ""
    parts = []
    for one in columns:
        rows = [
            [plain(group["group"], 40), _count(group["rows"]), _ends(group.get("score"))]
            for group in one["groups"][:_GROUPS]
        ]
        more = len(one["groups"]) - len(rows)
        dots = f"\n\n… and {more} more groups" if more > 0 else ""
        name = f"{plain(fairness.get('metric') or 'score')} (95 % interval)"
        parts.append(table((plain(one["column"]), "rows", name), rows) + dots)
    told = "The report has rates and differences between the groups with their intervals."
    return "## Groups\n\n" + "\n\n".join([*parts, told])


def _ends(found: Sequence[float] | None) -> str:
    if found is None:
        return "–"
    score, low, high = found
    return f"{_figure(score)} ({_figure(low)} to {_figure(high)})"


def _ethics(manifest: Mapping[str, Any], fairness: Facts, people: Mapping[str, str]) -> str:
    config = manifest.get("config") or {}
    lines = [
        f"{plain(name)} looks like {plain(what)} and takes part in predictions: whoever holds "
        "this bundle may learn of persons from it (`--drop-pii`, `--hash-pii`)"
        for name, what in list(people.items())[:_PEOPLE]
    ]
    if len(people) > _PEOPLE:
        lines.append(f"so do {len(people) - _PEOPLE} more columns")
    if not people:
        lines.append(
            "No personal data (e-mail, phone, card and bank numbers, names, addresses …) were "
            "found in the columns used, by their names and cells; that is no proof."
        )
    if config.get("hash_pii"):
        lines.append(
            "Personal data are kept as keyed hashes. The key lies in the bundle: that hides them "
            "from a casual reader and makes nobody anonymous."
        )
    sensitive = [str(one["column"]) for one in fairness.get("columns", [])]
    if sensitive:
        named = ", ".join(plain(name) for name in sensitive)
        lines.append(f"Columns that tell of protected groups: {named}. See the report's Fairness.")
    else:
        lines.append(
            "No group was audited. If predictions touch persons, name protected columns with "
            "`--sensitive` and read the report's Fairness."
        )
    lines += [
        "Where a prediction decides about a person, laws on automated decisions may ask for a "
        "human review, reasons and a way to object (in the European Union Article 22 of the GDPR "
        "and the AI Act's rules for high-risk uses). These notes are no legal advice.",
        f"{_FILL} risks to persons, who reviewed them, what was done.",
    ]
    return "## Ethical and regulatory notes\n\n" + bullets(lines)


def _lineage(manifest: Mapping[str, Any]) -> str:
    data, parent = manifest.get("data") or {}, manifest.get("parent")
    lines = [f"Training data: {plain(data.get('name'))}, SHA-256 `{_digest(data.get('digest'))}`"]
    if isinstance(parent, Mapping):
        how = "extends" if parent.get("how") == "more-time" else "repeats"
        lines.append(f"It {how} the bundle with the digest `{_digest(parent.get('digest'))}`")
    else:
        lines.append("Parent: none, it was trained from the start")
    versions = manifest.get("versions") or {}
    named = ", ".join(f"{plain(name)} {plain(text)}" for name, text in versions.items())
    lines.append(f"Versions: {named}")
    lines.append("This bundle: its digest is `digest` in `manifest.json` (`automl verify`)")
    return "## Lineage\n\n" + bullets(lines)


def _digest(text: object) -> str:
    """Hexadecimal digits only: it stands where nothing can be escaped."""
    return "".join(letter for letter in str(text or "") if letter in "0123456789abcdef") or "–"


def _again(manifest: Mapping[str, Any]) -> str:
    config, origins = manifest.get("config") or {}, manifest.get("origins") or {}
    lines = [
        "`automl fit --replay BUNDLE` trains the same members once more, on the same platform "
        "with the same versions.",
        f"Seed: {int(manifest.get('seed') or 0)}",
    ]
    lines += [
        f"{plain(name)}: {plain(config[name], 120)} (from {plain(origins[name])})"
        for name in sorted(origins)
        if name in config and name not in _PLACES and origins[name] != "default"
    ]
    return "## How to make it again\n\n" + bullets(lines)


def _contact() -> str:
    lines = [f"{_FILL} {what}" for what in ("owner", "contact", "licence", "review date")]
    return "## Contact\n\n" + bullets(lines)


def _figure(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
