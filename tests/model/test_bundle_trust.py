"""Bundles of strangers: read by another process first, known afterwards, pinned by digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bomb import pickled

import automl
from automl.cli.main import main
from automl.data.read import read_table
from automl.errors import BundleError, ConfigError
from automl.model import apart, known
from automl.model.bundle import load_bundle, verify_bundle
from automl.model.jsonfile import MAX_DEPTH, parse_json
from automl.model.known import known_as, known_file, remember
from automl.model.manifest import MANIFEST, read_manifest, write_manifest
from automl.model.probe import made_up_rows, read_and_score

STORED = Path(__file__).parents[1] / "bundles"
FORMATS = sorted(STORED.glob("format-*/"))
needs_bounds = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process")


@pytest.fixture(autouse=True)
def _nobody_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(known, "_in_this_process", {})


@pytest.fixture
def bundle(tmp_path):
    """A copy of a stored bundle, which nobody knows."""
    return Path(shutil.copytree(STORED / "format-1", tmp_path / "model"))


@pytest.fixture
def readings(monkeypatch):
    """How often another process was asked, which then says that all is well."""
    asked = []

    def answer(folder, orders, seconds):
        asked.append(folder)
        return {"boosters": {"linear": 1}, "rows": 1}

    monkeypatch.setattr(apart, "_answer", answer)
    return asked


def signed(bundle):
    """The digests made to fit again, as whoever sends a bundle can."""
    data = json.loads((bundle / MANIFEST).read_bytes())
    (bundle / MANIFEST).unlink()
    write_manifest(bundle, {k: v for k, v in data.items() if k not in ("files", "digest")})
    return bundle


def changed(bundle, name, change):
    """The JSON file `name` after `change(data)`, its digest made to fit."""
    data = json.loads((bundle / name).read_bytes())
    change(data)
    (bundle / name).write_text(json.dumps(data), encoding="utf-8")
    return signed(bundle)


# Stored bundles


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_every_format_loads_and_scores_as_it_did(folder):
    predictor = load_bundle(folder, trusted=True)
    rows = read_table(STORED / f"{folder.name}.rows.csv")
    expected = json.loads((STORED / f"{folder.name}.expected.json").read_bytes())
    assert np.allclose(predictor.margin(rows)[:, 0], expected["margin"], rtol=1e-5, atol=1e-6)
    assert list(predictor.predict(rows)) == expected["prediction"]
    values = predictor.explain(rows).values
    assert np.allclose(values, expected["contributions"], rtol=1e-4, atol=1e-5)


def test_there_is_a_stored_bundle_of_this_format():
    assert [folder.name for folder in FORMATS] == ["format-1"]
    assert verify_bundle(FORMATS[-1]).data["format"] == 1
    assert sum(p.stat().st_size for p in STORED.rglob("*") if p.is_file()) < 200_000


# What is known


def test_an_unknown_bundle_is_read_elsewhere_once(bundle, readings):
    load_bundle(bundle)
    load_bundle(bundle)
    assert len(readings) == 1
    digest = read_manifest(bundle).digest
    assert known_as(digest) == "checked"
    assert known_file().read_text(encoding="ascii") == f"{digest} checked\n"
    changed(bundle, "metrics.json", lambda data: data.update(score=1.0))
    load_bundle(bundle)
    assert len(readings) == 2  # another byte, another bundle


def test_what_is_trusted_or_pinned_is_read_at_once(bundle, readings):
    digest = read_manifest(bundle).digest
    load_bundle(bundle, trusted=True)
    load_bundle(bundle, require_digest=f"SHA256:{digest.upper()}")
    assert readings == []
    with pytest.raises(BundleError, match=f"not the required one: its digest is {digest}"):
        load_bundle(bundle, require_digest="ab" * 32)
    with pytest.raises(ConfigError, match="'abc' is not the digest"):
        load_bundle(bundle, require_digest="abc")


def test_a_home_that_cannot_be_written_is_no_obstacle(bundle, readings, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTOML_STATE", str(tmp_path / "file" / "below"))
    load_bundle(bundle)
    load_bundle(bundle)
    assert len(readings) == 1  # this process remembers
    monkeypatch.setattr(known, "_in_this_process", {})
    load_bundle(bundle)
    assert len(readings) == 2
    monkeypatch.delenv("AUTOML_STATE")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setattr(known, "_in_this_process", {})
    load_bundle(bundle)
    assert known_file() is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_list_that_others_can_write_is_not_believed():
    remember("ab" * 32, "fit")
    known._in_this_process.clear()
    assert known_as("ab" * 32) == "fit"
    known_file().chmod(0o666)
    assert known_as("ab" * 32) is None


def test_the_list_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(known, "_MOST_BYTES", 70 * 10)
    for i in range(30):
        remember(f"{i:064x}", "fit")
    assert len(known_file().read_bytes()) < 70 * 12
    known._in_this_process.clear()
    assert [known_as(f"{i:064x}") for i in (0, 29)] == [None, "fit"]


# Another process


def test_the_other_process_reads_and_uses_every_booster(bundle):
    found = read_and_score(bundle, read_manifest(bundle).digest)
    assert found["boosters"] == {"catboost": 1, "lightgbm": 1, "linear": 1, "xgboost": 1}
    predictor = load_bundle(bundle, trusted=True)
    rows = made_up_rows(predictor.schema)
    assert list(rows.columns) == list(predictor.columns)
    assert len(rows) == found["rows"] > 5
    assert rows.iloc[0].isna().all()


EVIL = """
import os, time
class Evil:
    name = "evil"
    def load(self, path, *, n_outputs):
        exec(path.read_text(encoding="utf-8"), {"os": os, "time": time})
ENGINE = Evil()
"""


@needs_bounds
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("os.abort()", r"the process that tried crashed \(SIGABRT\)"),
        ("os._exit(3)", r"crashed \(exit status 3\)"),
        ("while True: pass", "was stopped after 3 CPU seconds"),
        ("time.sleep(1000)", "had not ended after 6 s"),
        ("b = [bytes(1 << 20) for i in range(1 << 12)]", "takes more memory"),
        ("b = [b'x' * (1 << 20) for i in range(1000)]; time.sleep(60)", "takes more memory"),
        ("raise KeyboardInterrupt", "crashed"),
        ("1 / 0", "does not have the expected form: ZeroDivisionError"),
        ("f = open('x.bin', 'wb'); f.write(b'1'); f.flush()", "Cannot read.*File too large"),
    ],
)
def test_whatever_native_code_does_is_a_bundle_error(bundle, tmp_path, monkeypatch, code, told):
    """An engine that does in Python what a crafted model can make a native parser do."""
    plugin = tmp_path / "plugin"
    facts = plugin / "evil-1.dist-info"
    facts.mkdir(parents=True)
    (plugin / "evil.py").write_text(EVIL, encoding="utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[automl.engines]\nevil = evil\n")
    root = Path(automl.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(plugin), str(root)]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(apart, "_CPU_SECONDS", 3.0)
    monkeypatch.setattr(apart, "_WALL_SECONDS", 0.0 if "sleep" in code else 300.0)
    (bundle / "members/00/fold_00.cbm").write_text(code, encoding="utf-8")
    changed(bundle, "members/00/member.json", lambda data: data.update(engine="evil"))
    with pytest.raises(BundleError, match=told):
        load_bundle(bundle)
    assert known_as(read_manifest(bundle).digest) is None
    assert not (tmp_path / "x.bin").exists() or not (tmp_path / "x.bin").stat().st_size


@needs_bounds
@pytest.mark.parametrize("megabytes", [500, 1200, 1600])
def test_address_space_that_a_library_only_reserves_is_no_use_of_memory(
    bundle, monkeypatch, megabytes
):
    """CatBoost reserves a gigabyte where it may, and must not take it from everybody else."""
    monkeypatch.setattr(apart, "_MEMORY", megabytes << 20)
    assert load_bundle(bundle).members[0].engine == "catboost"


def test_without_a_process_it_is_said_how_to_go_on(bundle, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(bundle / "no-python"))
    with pytest.raises(BundleError, match="no process could be started.*--require-digest"):
        load_bundle(bundle)


def test_modules_beside_the_bundle_are_not_imported(bundle, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('taken')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_bundle("model").classes == ("big", "little")


# No code


NAMES = [p.relative_to(FORMATS[0]).as_posix() for p in FORMATS[0].rglob("*") if p.is_file()]


@pytest.mark.parametrize("fits", [False, True], ids=["damage", "signed"])
def test_a_pickle_in_any_place_is_never_run(bundle, tmp_path, fits, monkeypatch, capsys):
    canary = tmp_path / "canary"
    bomb = pickled(canary)
    kept = {name: (bundle / name).read_bytes() for name in NAMES}
    monkeypatch.setattr(apart.subprocess, "run", _in_this_process)
    rows = str(STORED / "format-1.rows.csv")
    for name in NAMES:
        (bundle / name).write_bytes(bomb)
        if fits and name != MANIFEST:
            signed(bundle)
        statuses = [
            main(args)
            for args in (
                ["verify", str(bundle)],
                ["show", str(bundle), "all"],
                ["predict", str(bundle), rows],
                ["evaluate", str(bundle), rows],
                ["explain", str(bundle), rows],
            )
        ]
        assert set(statuses) <= {0, 2}, name
        assert 2 in statuses or fits, name
        assert not canary.exists(), name
        for each, content in kept.items():
            (bundle / each).write_bytes(content)
    assert "Traceback" not in capsys.readouterr().err


def _in_this_process(args, **_):
    """What the other process does, without a new interpreter for each of many bundles."""
    from automl.model.probe import _outcome

    orders = json.loads(args[-1])
    answer = json.dumps(_outcome(Path(orders["folder"]), orders["digest"]))
    return apart.subprocess.CompletedProcess(args, 0, answer.encode(), b"")


# What files say


def test_json_is_bounded_before_it_is_parsed():
    deepest = "[" * MAX_DEPTH + '"[[{{\\"[["' + "]" * MAX_DEPTH
    assert parse_json(deepest.encode(), Path("x"))
    for text in (f"[{deepest}]", '{"a":' * 50 + "1" + "}" * 50, '["\\\\",' * 60 + "1" + "]" * 60):
        with pytest.raises(BundleError, match=f"nested more than {MAX_DEPTH} deep"):
            parse_json(text.encode(), Path("x"))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("name", 5, "'name' must be a string"),
        ("name", "width", "two columns have one name"),
        ("source", "code", "'source' must be one of number"),
        ("levels", ["a", "a"], "two levels have one name"),
        ("bins", [0.0, None], "'bins'.* must be a finite number"),
        ("formats", {"decimal": ["("]}, "'decimal' must be a string"),
        ("formats", {"formats": ["%d" * 999]}, "'formats' is too long"),
        ("formats", {"eval": "1"}, "has no format 'eval'"),
        ("minimum", "low", "'minimum' must be a finite number"),
    ],
)
def test_columns_are_what_columns_can_be(bundle, name, value, told):
    changed(bundle, "schema.json", lambda data: data["columns"][1].update({name: value}))
    with pytest.raises(BundleError, match=told):
        load_bundle(bundle, trusted=True)


def test_a_model_of_a_newer_library_names_the_version(bundle):
    path = bundle / "members/03/fold_00.ubj"
    path.write_bytes(path.read_bytes().replace(b"learner", b"lernear"))
    changed(bundle, MANIFEST, lambda data: data["versions"].update(xgboost="99.1.0"))
    with pytest.raises(BundleError, match=r"written by xgboost 99.1.0.*'xgboost>=99.1.0'"):
        load_bundle(bundle, trusted=True)
    changed(bundle, MANIFEST, lambda data: data["versions"].update(xgboost="99; rm -rf /"))
    with pytest.raises(BundleError, match="is not an XGBoost model") as caught:
        load_bundle(bundle, trusted=True)
    assert "rm -rf" not in str(caught.value)


def test_a_negative_or_immense_size_is_refused(bundle):
    for size, told in ((-1, "no size or digest"), (1 << 40, "is larger than 4 GB")):
        data = json.loads((bundle / MANIFEST).read_bytes())
        data["files"]["metrics.json"]["size"] = size
        text = json.dumps({**data, "digest": "0" * 64}, sort_keys=True, indent=1).encode()
        digest = hashlib.sha256(text).hexdigest().encode()
        (bundle / MANIFEST).write_bytes(text.replace(b"0" * 64, digest, 1))
        with pytest.raises(BundleError, match=told):
            load_bundle(bundle)


# The command


def test_verify_says_what_it_found(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    out, err = capsys.readouterr()
    digest = read_manifest(bundle).digest
    facts = {line[:10].strip(): line[10:].strip() for line in out.splitlines()}
    assert facts["digest"] == digest
    assert facts["boosters"].startswith("1 catboost, 1 lightgbm, 1 linear, 1 xgboost; read")
    assert facts["known"] == "not before"
    assert "is whole" in err
    (bundle / "notes.txt").write_text("x", encoding="utf-8")
    assert main(["verify", str(bundle), "--json", "--require-digest", digest]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["digest"], found["known"], found["unlisted"]) == (
        digest, "checked", ["notes.txt"],
    )  # fmt: skip
    assert main(["show", str(bundle), "versions"]) == 0
    assert digest in capsys.readouterr().out


def test_commands_refuse_another_digest(bundle, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    pd.read_csv(STORED / "format-1.rows.csv").to_csv(rows, index=False)
    for args in (["verify"], ["predict", rows], ["evaluate", rows], ["explain", rows]):
        command = [args[0], str(bundle), *map(str, args[1:]), "--require-digest", "ab" * 32]
        assert main(command) == 2
        assert "is not the required one" in capsys.readouterr().err


def test_a_run_knows_its_own_bundle(bundle, readings, tmp_path):
    from automl.model.bundle import install_bundle

    install_bundle(bundle, tmp_path / "place", force=False)
    assert known_as(read_manifest(tmp_path / "place").digest) == "fit"
    load_bundle(tmp_path / "place")
    assert readings == []
