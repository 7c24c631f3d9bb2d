"""Bundles: the same numbers after loading, and every damage named as a BundleError."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl.errors import BundleError, ConfigError
from automl.features.recipes.plain import Plain
from automl.model import manifest as manifest_module
from automl.model.bundle import (
    check_target,
    install_bundle,
    load,
    load_bundle,
    verify_bundle,
    write_bundle,
)
from automl.model.manifest import json_bytes, read_manifest, write_manifest
from automl.model.predictor import FoldBooster
from automl.task import Task

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def bundle(make_predictor, write):
    return write(make_predictor())


def _files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _rewrite(bundle, change):
    """The manifest after `change(data)`, with digests that match again."""
    data = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (bundle / "manifest.json").unlink()
    for key in ("files", "digest", "format"):
        del data[key]
    change(data)
    write_manifest(bundle, data)


def _sign(bundle, data):
    """Write `data` as the manifest with a matching digest of its own."""
    text = json_bytes({**data, "digest": "0" * 64}, indent=1)
    digest = hashlib.sha256(text).hexdigest()
    (bundle / "manifest.json").write_bytes(text.replace(b"0" * 64, digest.encode(), 1))


@pytest.mark.parametrize("task", list(Task))
def test_loaded_equals_written_to_the_bit(make_predictor, write, people, task):
    predictor = make_predictor(task, threshold=0.1 + 0.2 if task is Task.BINARY else None)
    loaded = load(write(predictor))
    assert np.array_equal(loaded.margin(people), predictor.margin(people))
    assert list(loaded.predict(people)) == list(predictor.predict(people))
    before, after = predictor.explain(people), loaded.explain(people)
    assert np.array_equal(after.values, before.values)
    for name in ("task", "target", "classes", "metric", "schema", "link", "threshold"):
        assert getattr(loaded, name) == getattr(predictor, name)
    assert [m.params for m in loaded.members] == [m.params for m in predictor.members]
    assert loaded.manifest["positive"] == predictor.positive


def test_layout_and_facts(bundle):
    assert _files(bundle) == [
        "leaderboard.csv",
        "manifest.json",
        "members/00/fold_00.txt",
        "members/00/fold_01.txt",
        "members/00/member.json",
        "members/01/fold_00.txt",
        "members/01/member.json",
        "preprocess.json",
        "run/journal.jsonl",
        "schema.json",
    ]
    manifest = verify_bundle(bundle)
    assert set(manifest.files) == set(_files(bundle)) - {"manifest.json"}
    assert manifest.data["format"] == 1
    assert manifest.data["members"] == ["members/00", "members/01"]
    assert "created" not in manifest.data


def test_the_same_predictor_gives_the_same_bytes(make_predictor, write):
    first, second = write(make_predictor(), "a"), write(make_predictor(), "b")
    for name in _files(first):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_recipes_are_stored_and_shared(make_predictor, write, people):
    predictor = make_predictor()
    members = []
    for member in predictor.members:
        boosters = tuple(FoldBooster(b.booster, Plain()) for b in member.boosters)
        members.append(type(member)(**{**vars(member), "boosters": boosters}))
    predictor.members = tuple(members)
    folder = write(predictor)
    assert (folder / "members/00/recipe_01.json").is_file()
    loaded = load_bundle(folder)
    recipes = {id(b.recipe) for m in loaded.members for b in m.boosters}
    assert len(recipes) == 1
    assert np.array_equal(loaded.margin(people), predictor.margin(people))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_a_bundle_error(bundle, data):
    name = data.draw(st.sampled_from([n for n in _files(bundle) if not n.startswith("run/")]))
    path = bundle / name
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "remove"]))
    if how == "flip":
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    elif how == "cut":
        bad = good[:at]
    elif how == "insert":
        bad = good[:at] + data.draw(st.binary(min_size=1, max_size=3)) + good[at:]
    else:
        bad = good[:at] + good[at + 1 :]
    try:
        path.write_bytes(bad)
        with pytest.raises(BundleError, match=r"."):
            load_bundle(bundle)
    finally:
        path.write_bytes(good)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_other_value_in_json_is_at_worst_a_bundle_error(bundle, data):
    """As a bundle from a stranger: digests match, but a value is not what it should be."""
    files = ["manifest.json", "schema.json", "preprocess.json", "members/00/member.json"]
    name = data.draw(st.sampled_from(files))
    path = bundle / name
    before = {n: (bundle / n).read_bytes() for n in ("manifest.json", name)}
    value = json.loads(before[name])
    place, keys = value, []
    while isinstance(place, (dict, list)) and place:
        keys.append(data.draw(st.sampled_from(sorted(place) if isinstance(place, dict)
                                              else range(len(place)))))  # fmt: skip
        parent, place = place, place[keys[-1]]
        if data.draw(st.booleans()):
            break
    strange = st.sampled_from([None, True, -1, 1e308, float("nan"), "x", [], {}, [[]], "../x"])
    parent[keys[-1]] = data.draw(strange)
    try:
        if name == "manifest.json":
            _sign(bundle, value)
        else:
            path.write_bytes(json_bytes(value))
            _rewrite(bundle, lambda facts: None)
        with suppress(BundleError):
            load_bundle(bundle)
    finally:
        for each, content in before.items():
            (bundle / each).write_bytes(content)


def test_what_is_no_bundle_is_said(tmp_path, bundle):
    with pytest.raises(BundleError, match="There is no bundle"):
        load_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match="not a bundle: it has no manifest.json"):
        load_bundle(tmp_path)
    with pytest.raises(BundleError, match="is a file"):
        load_bundle(bundle / "schema.json")
    (tmp_path / "manifest.json").write_text('{"name": "app"}', encoding="utf-8")
    with pytest.raises(BundleError, match="has no format version"):
        load_bundle(tmp_path)


def test_newer_format_names_the_version_to_install(bundle):
    path = bundle / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "format": 2, "automl": "9.4.0"}), encoding="utf-8")
    with pytest.raises(BundleError, match="format 2.*automl 9.4.0"):
        load_bundle(bundle)


def test_missing_extra_and_changed_files_are_named(bundle):
    kept = bundle.with_name("kept")
    shutil.copytree(bundle, kept)

    def fresh():
        shutil.rmtree(bundle)
        shutil.copytree(kept, bundle)
        return bundle

    (bundle / "preprocess.json").unlink()
    with pytest.raises(BundleError, match="lacks 'preprocess.json'"):
        load_bundle(bundle)
    (fresh() / "members/00/fold_09.txt").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="holds 'members/00/fold_09.txt'"):
        load_bundle(bundle)
    (fresh() / "members/00/.DS_Store").write_text("", encoding="utf-8")
    load_bundle(bundle)
    (fresh() / "leaderboard.csv").write_bytes(b"nane,score\n")
    with pytest.raises(BundleError, match=r"'leaderboard.csv' .* SHA-256 digest"):
        load_bundle(bundle)
    (fresh() / "leaderboard.csv").write_bytes(b"")
    with pytest.raises(BundleError, match="0 bytes instead of 11"):
        load_bundle(bundle)


def test_run_folder_is_not_needed_but_verified(bundle):
    (bundle / "run/journal.jsonl").write_text("{ }", encoding="utf-8")
    load_bundle(bundle)
    with pytest.raises(BundleError, match="journal"):
        verify_bundle(bundle)
    shutil.rmtree(bundle / "run")
    load_bundle(bundle)
    verify_bundle(bundle)


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_links_are_refused(bundle, tmp_path):
    model = bundle / "members/00/fold_00.txt"
    (tmp_path / "elsewhere.txt").write_bytes(model.read_bytes())
    model.unlink()
    model.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(BundleError, match="fold_00.txt.* is a link"):
        load_bundle(bundle)


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_a_link_to_a_bundle_is_followed(bundle, tmp_path, people):
    (tmp_path / "current").symlink_to(bundle)
    assert len(load_bundle(tmp_path / "current").margin(people)) == 40


@pytest.mark.parametrize(
    "name",
    ["../x.txt", "/etc/passwd", "a/../../x", "C:/x", "a\\b", "", "a//b", "nul", "members/COM1.txt",
     "a.", " a", "a\x00b", "ünsafe", ".hidden"],
)  # fmt: skip
def test_unsafe_paths_in_a_manifest_are_refused(bundle, name):
    data = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    data["files"][name] = {"size": 0, "sha256": "0" * 64}
    _sign(bundle, data)
    with pytest.raises(BundleError, match="unsafe path"):
        load_bundle(bundle)


def test_member_files_outside_the_manifest_are_refused(bundle):
    path = bundle / "members/00/member.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["boosters"][0]["file"] = "../../../elsewhere.txt"
    path.write_bytes(json_bytes(data))
    _rewrite(bundle, lambda facts: None)
    with pytest.raises(BundleError, match="not in its manifest"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(task="clustering"), "expected form"),
        (lambda d: d.update(classes=["only"]), "cannot have 1 classes"),
        (lambda d: d.update(link={"kind": "softmax", "temperature": 1}), "cannot have the link"),
        (lambda d: d.update(members=["members/01"]), "add to 0.25"),
        (lambda d: d.pop("target"), "expected form: KeyError"),
    ],
)
def test_wrong_facts_are_refused(bundle, change, message):
    _rewrite(bundle, change)
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)


def test_unknown_engine_is_a_bundle_error(bundle):
    path = bundle / "members/01/member.json"
    path.write_bytes(path.read_bytes().replace(b'"sums"', b'"sumz"'))
    _rewrite(bundle, lambda facts: None)
    with pytest.raises(BundleError, match="Unknown engine 'sumz'"):
        load_bundle(bundle)


def test_deep_and_large_json_is_refused(bundle, monkeypatch):
    path = bundle / "manifest.json"
    good = path.read_bytes()
    path.write_bytes(b"[" * 200_000)
    with pytest.raises(BundleError, match="nested more than 40 deep"):
        load_bundle(bundle)
    path.write_bytes(good)
    for name, most in (("_MAX_MANIFEST", 100), ("_MAX_SCORED", 1000), ("_MAX_TOTAL", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(manifest_module, name, most)
            with pytest.raises(BundleError, match="is larger than"):
                load_bundle(bundle)


def test_floats_survive_exactly():
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, np.float64(1 / 3)]
    assert json.loads(json_bytes(values)) == values
    assert json_bytes({"b": np.int64(3), "a": "é\ud800"}) == b'{"a":"\\u00e9\\ud800","b":3}\n'
    with pytest.raises(TypeError, match="cannot hold a set"):
        json_bytes({1, 2})


def test_facts_are_checked_before_anything_is_written(make_predictor, tmp_path):
    predictor = make_predictor()
    parts = {
        "schema": predictor.schema, "preprocessor": predictor.preprocessor, "members": (),
        "link": predictor.link, "threshold": None, "extras": {},
    }  # fmt: skip
    with pytest.raises(ValueError, match="Facts need"):
        write_bundle(tmp_path / "new", facts={"task": "binary"}, **parts)
    facts = {"task": "binary", "target": "y", "classes": [], "metric": "x", "files": {}}
    with pytest.raises(ValueError, match="may not hold"):
        write_bundle(tmp_path / "new", facts=facts, **parts)
    assert not (tmp_path / "new").exists()


def test_install_takes_the_place(bundle, tmp_path):
    target = tmp_path / "deep" / "model"
    install_bundle(bundle, target, force=False)
    assert not bundle.exists()
    verify_bundle(target)


def test_install_replaces_a_bundle_only_by_force(make_predictor, write, tmp_path):
    old, new = write(make_predictor(), "model", seed=1), write(make_predictor(), "new", seed=2)
    with pytest.raises(ConfigError, match="already holds a bundle"):
        install_bundle(new, old, force=False)
    assert load_bundle(old).manifest["seed"] == 1
    install_bundle(new, old, force=True)
    assert load_bundle(old).manifest["seed"] == 2
    assert [p.name for p in tmp_path.iterdir() if ".old" in p.name] == []


@pytest.mark.parametrize("content", ["thesis.txt", "manifest.json"])
def test_install_never_replaces_what_is_no_bundle(bundle, tmp_path, content):
    target = tmp_path / "mine"
    target.mkdir()
    (target / content).write_text('{"name": "an app"}', encoding="utf-8")
    with pytest.raises((ConfigError, BundleError), match="not a bundle"):
        install_bundle(bundle, target, force=True)
    assert (target / content).read_text(encoding="utf-8") == '{"name": "an app"}'
    with pytest.raises(ConfigError, match="not a bundle"):
        check_target(bundle / "schema.json", force=True)


def test_install_into_an_empty_folder(bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    install_bundle(bundle, tmp_path / "empty", force=False)
    verify_bundle(tmp_path / "empty")


def test_a_failed_install_leaves_both_as_they_were(make_predictor, write, monkeypatch):
    old, new = write(make_predictor(), "model", seed=1), write(make_predictor(), "new", seed=2)
    rename = type(old).rename

    def refuse(self, target):
        if self == new:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(type(old), "rename", refuse)
    with pytest.raises(BundleError, match="No space left on device"):
        install_bundle(new, old, force=True)
    assert read_manifest(old).data["seed"] == 1
    assert read_manifest(new).data["seed"] == 2


def test_extras_may_be_folders_and_files_in_place(make_predictor, tmp_path):
    predictor = make_predictor()
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a.png").write_bytes(b"png")
    staging = tmp_path / "staging"
    (staging / "run").mkdir(parents=True)
    (staging / "run" / "log.txt").write_bytes(b"log")
    write_bundle(
        staging,
        facts={"task": "binary", "target": "y", "classes": ["a", "b"], "metric": "x"},
        schema=predictor.schema, preprocessor=predictor.preprocessor, members=(),
        link=predictor.link, threshold=None,
        extras={"explanations/plots": tmp_path / "plots", "run/log.txt": staging / "run/log.txt"},
    )  # fmt: skip
    files = verify_bundle(staging).files
    assert files["run/log.txt"].size == 3
    assert files["explanations/plots/a.png"].size == 3


def test_a_disk_that_refuses_is_a_bundle_error(make_predictor, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    predictor = make_predictor()
    with pytest.raises(BundleError, match="Cannot write the bundle"):
        write_bundle(
            tmp_path / "file" / "below",
            facts={"task": "binary", "target": "y", "classes": ["a", "b"], "metric": "x"},
            schema=predictor.schema, preprocessor=predictor.preprocessor, members=(),
            link=predictor.link, threshold=None, extras={},
        )  # fmt: skip
