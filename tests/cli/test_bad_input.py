"""Bad input ends with exit status 2, one short block that says what to do, and nothing left."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import automl
from automl.cli.main import main

# The shortest fit there is; -q leaves warnings and the error alone on stderr.
FAST = ("--trials", "1", "--engines", "lightgbm", "--folds", "3", "--workers", "1", "-q")
TRACEBACK = re.compile(r'Traceback|File ".*", line \d')

Refused = Callable[..., str]


def table(n_rows: int = 60) -> str:
    """A binary target `y`, a number `x`, a category `city`."""
    rng = np.random.default_rng(0)
    x, city = rng.normal(size=n_rows), rng.choice(list("uvw"), n_rows)
    y = np.where(x + rng.normal(size=n_rows) > 0, "yes", "no")
    rows = zip(x, city, y, strict=True)
    return "x,city,y\n" + "".join(f"{a:.6f},{b},{c}\n" for a, b, c in rows)


def numbers(weights: Sequence[object]) -> str:
    """A regression target with a column `w` of weights."""
    rows = "".join(f"{i * 7 % 13},{i % 10 * 1.5},{w}\n" for i, w in enumerate(weights))
    return "x,y,w\n" + rows


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name in names:
            packed.writestr(name, "a,b\n1,2\n")
    return file.getvalue()


TABLES: dict[str, str | bytes] = {
    "train.csv": table(),
    "empty.csv": "",
    "header.csv": "a,b,y\n",
    "constant.csv": "a,y\n" + "".join(f"{i * 7 % 13},1\n" for i in range(60)),
    "no_target.csv": "a,y\n" + "".join(f"{i * 7 % 13},\n" for i in range(60)),
    "five.csv": "a,y\n1,u\n2,v\n3,u\n4,v\n5,u\n",
    "one_of_a_class.csv": "a,y\n" + "".join(f"{i % 9},{'v' if i else 'u'}\n" for i in range(60)),
    "one_column.csv": "y\n" + "".join(f"{i % 2}\n" for i in range(60)),
    "identifiers.csv": "a,y\n" + "".join(f"row {i},{'uv'[i % 2]}\n" for i in range(60)),
    "no_text.csv": b"a,y\n1,\x81\x8d\n2,b\n",
    "western.csv": table().replace("u,", "\xe9,").encode("cp1252"),
    "ragged.csv": table() + "1,u\n2,u,yes\n",
    "picture.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "archive.zip": archive("a.csv"),
    "sheet.xlsx": archive("[Content_Types].xml", "xl/workbook.xml"),
    "negative.csv": numbers([-1 if i == 3 else i % 5 for i in range(60)]),
    "unweighted.csv": numbers(["" if i == 3 else i % 5 for i in range(60)]),
    "weightless.csv": numbers(["low" if i % 2 else "high" for i in range(60)]),
    "no_x.csv": "city\nu\nv\n",
    "bad_cell.csv": "x,city\n1,u\nabc,v\n2,w\n",
    "new_level.csv": "x,city\n1,u\n2,q\n",
    "new_label.csv": "x,city,y\n1,u,perhaps\n2,v,yes\n",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the table `train.csv`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "train.csv").write_text(table(), encoding="utf-8")
    args = ["fit", str(folder / "train.csv"), "-t", "y", "-o", str(folder / "model"), *FAST]
    assert main(args) == 0
    return folder / "model"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: all the tables, a folder with a file in it, and the temporary files."""
    for name, content in TABLES.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in {name for name in os.environ if name.startswith("AUTOML_")} - {"AUTOML_STATE"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model(trained: Path, work: Path) -> Path:
    """A copy of the trained bundle in the current folder: `model`."""
    return Path(shutil.copytree(trained, work / "model"))


@pytest.fixture
def refused(work: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that has to be refused; the block on stderr."""

    def run(*args: object, status: int = 2) -> str:
        before = contents(work)
        found = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert (found, out) == (status, ""), err
        check_block(err)
        assert contents(work) == before
        assert workers() == []
        return err

    return run


@pytest.fixture
def fit_refused(refused: Refused) -> Refused:
    """The same of a short fit of a table, by default with the target `y`."""

    def run(data: str, *args: object, target: str = "y", status: int = 2) -> str:
        return refused("fit", data, "-t", target, *FAST, *args, status=status)

    return run


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below, with a digest of its bytes."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in folder.rglob("*")
    }


def check_block(err: str) -> None:
    """One `Error:` line, and at most one `Hint:` line behind it."""
    lines = err.splitlines()
    assert 1 <= len(lines) <= 2, err
    assert lines[0].startswith("Error: "), err
    assert lines[1:] == [] or lines[1].startswith("Hint: "), err
    assert not TRACEBACK.search(err), err
    assert "This is a bug" not in err
    assert 20 < len(lines[0]) < 400, err


def workers() -> list[psutil.Process]:
    """Training processes that this process has left running."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if any("automl.search.worker" in part for part in child.cmdline())
    ]


# Files


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("trian.csv", r"'trian\.csv' does not exist.\nHint: Did you mean 'train\.csv'"),
        ("nowhere/train.csv", r"nor does the folder 'nowhere'"),
        ("folder", r"'folder' is a folder, not a table.\nHint: Name one file"),
        ("empty.csv", r"'empty\.csv' is empty"),
        ("header.csv", r"has a header \(3 columns\) and no rows"),
        ("no_text.csv", r"not UTF-8 text: line 2 .*\nHint: Name the encoding, .*--encoding"),
        ("ragged.csv", r"row 61 \(line 62\) has 2 fields, expected 3"),
        ("picture.png", r"is a PNG image, not a table"),
        ("archive.zip", r"is a ZIP archive, not a table.\nHint: Unpack it"),
        ("sheet.xlsx", r"is an Excel workbook, not a table.\nHint: Save the sheet as CSV"),
    ],
)
def test_what_is_no_table(
    data: str, says: str, refused: Refused, fit_refused: Refused, model: Path
) -> None:
    assert re.search(says, fit_refused(data))
    assert re.search(says, refused("predict", model, data))
    assert re.search(says, refused("evaluate", model, data, "-q"))
    assert re.search(says, refused("explain", model, data))


def test_empty_stdin(refused: Refused, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "The input on stdin is empty" in refused("predict", model, "-")


def test_western_text_is_read_with_a_notice(
    work: Path, capsys: pytest.CaptureFixture[str], fit_refused: Refused
) -> None:
    args = ["fit", "western.csv", "-t", "y", *FAST[:-1]]
    assert main(args) == 0
    said = capsys.readouterr().err
    assert re.search(r"line \d+ is not UTF-8: read as Windows-1252", said)
    assert (work / "western-model" / "manifest.json").is_file()
    shutil.rmtree(work / "western-model")
    assert "is not UTF-8 text: line" in fit_refused("western.csv", "--encoding", "utf-8")


# Tables that cannot be learned from


@pytest.mark.parametrize(
    ("data", "target", "says"),
    [
        ("train.csv", "ctiy", r"'ctiy' is not a column of the table.\nHint: Did you mean 'city'"),
        ("train.csv", "zzz", r"'zzz' is not a column .*\nHint: Columns: 'x', 'city', 'y'"),
        ("constant.csv", "y", r"'y' is constant: '1' in every row"),
        ("no_target.csv", "y", r"'y' is missing in every row"),
        ("five.csv", "y", r"Only 5 rows have a target .*\nHint: At least 10"),
        ("one_of_a_class.csv", "y", r"Fewer than two classes of target 'y' have two rows"),
        ("one_column.csv", "y", r"only one column, 'y'.*\nHint: .*--delimiter"),
        ("identifiers.csv", "y", r"No column is left to learn from \('a': an identifier"),
    ],
)
def test_no_model_can_be_learned(data: str, target: str, says: str, fit_refused: Refused) -> None:
    assert re.search(says, fit_refused(data, target=target))


# Options


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--metric", "roc_acu"), r"Unknown metric 'roc_acu'.\nHint: Did you mean 'roc_auc'"),
        (("--metric", "wxyz"), r"Unknown metric 'wxyz'.\nHint: Known: roc_auc, log_loss"),
        (("--engines", "lightgmb"), r"Unknown engine 'lightgmb'.\nHint: Did you mean 'lightgbm'"),
        (("--preset", "bset"), r"--preset must be one of .*\nHint: Did you mean 'best'"),
        (("--task", "binry"), r"--task must be one of .*\nHint: Did you mean 'binary'"),
        (("--column", "x=numric"), r"--column must be column=kind with a kind of numeric, "),
        (("--flods", "3"), r"No such option '--flods'.*--folds"),
        (("--folds", "1"), r"--folds must be a whole number of at least 2, not '1'"),
        (("--folds", "1000"), r"--folds is 1000, but 60 rows allow"),
        (("--holdout", "0.2"), r"--folds 3 and --holdout 0.2 exclude each other"),
        (("--sample", "3"), r"Only 3 rows have a target"),
        (("--trials", "0"), r"--trials must be a whole number of at least 1"),
        (("--seed", "-1"), r"--seed must be a whole number of at least 0"),
        (("--delimiter", ";"), r"one column named 'x,city,y'.*\nHint: Try --delimiter ','"),
        (("--encoding", "utf-9"), r"--encoding must be .*not 'utf-9'"),
        (("--config", "no.toml"), r"Settings file 'no\.toml' does not exist"),
        (("--metric", "rmse", "--task", "binary"), r"'rmse' is for regression, but .* is binary"),
        (("--metric", "rmse"), r"'rmse' is for regression, but target 'y' has 2 text labels"),
        (("--task", "regression"), r"'y' has '\w+' in row 1, but regression needs numbers"),
    ],
)
def test_impossible_options(args: tuple[str, ...], says: str, fit_refused: Refused) -> None:
    assert re.search(says, fit_refused("train.csv", *args))


@pytest.mark.parametrize("name", ["--drop", "--column", "--monotone"])
def test_an_option_that_names_an_unknown_column(name: str, fit_refused: Refused) -> None:
    value = {"--drop": "ctiy", "--column": "ctiy=text", "--monotone": "ctiy=+1"}[name]
    said = fit_refused("train.csv", name, value)
    assert re.search(rf"{name} names 'ctiy'.*no such column.\nHint: Did you mean 'city'", said)


@pytest.mark.parametrize("name", ["--group-column", "--time-column", "--weight-column"])
def test_a_role_for_an_unknown_column(name: str, fit_refused: Refused) -> None:
    said = fit_refused("train.csv", name, "ctiy")
    assert re.search(rf"{name} 'ctiy' is not a column.*\nHint: Did you mean 'city'", said)


@pytest.mark.parametrize(
    ("data", "args", "says"),
    [
        ("negative.csv", ("--weight-column", "w"), r"--weight-column 'w' is negative in row 4"),
        ("unweighted.csv", ("--weight-column", "w"), r"--weight-column 'w' is missing in row 4"),
        ("weightless.csv", ("--weight-column", "w"), r"'w' cannot be numeric|'w' holds text"),
        ("train.csv", ("--time-column", "city"), r"--time-column 'city' holds text"),
        ("train.csv", ("--monotone", "city=+1"), r"--monotone names 'city', which is categorical"),
        ("train.csv", ("--monotone", "x=up"), r"--monotone must be column=\+1"),
        ("train.csv", ("--drop", "y"), r"'y' cannot be both the target and --drop"),
    ],
)
def test_a_column_that_cannot_have_the_role(
    data: str, args: tuple[str, ...], says: str, fit_refused: Refused
) -> None:
    assert re.search(says, fit_refused(data, *args))


@pytest.mark.parametrize("budget", ["0", "-5", "soon", "", "nan", "1e400"])
def test_a_budget_that_is_no_time(budget: str, refused: Refused) -> None:
    said = refused("fit", "train.csv", "-t", "y", "--time-budget", budget, "-q")
    assert "--time-budget must be a time above zero like 90, 60s, 5m" in said


def test_neither_a_budget_nor_trials(refused: Refused) -> None:
    said = refused("fit", "train.csv", "-t", "y", "--time-budget", "none")
    assert "Hint: Pass --time-budget TIME, --trials N, or both." in said


# Places to write to


@pytest.mark.parametrize("place", ["folder", "train.csv", "."])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_output_that_is_not_ours(
    place: str, force: tuple[str, ...], fit_refused: Refused
) -> None:
    said = fit_refused("train.csv", "-o", place, *force)
    assert re.search("exists and is not a bundle, so it is left alone.\nHint: Choose ", said)


def test_a_bundle_is_not_replaced_unasked(fit_refused: Refused, model: Path) -> None:
    said = fit_refused("train.csv", "-o", "model")
    assert re.search("already holds a bundle.\nHint: .*--force", said)


@pytest.mark.parametrize("args", [("-o", "train.csv/model"), ("--temp-dir", "train.csv/tmp")])
def test_a_place_below_a_file(args: tuple[str, ...], fit_refused: Refused) -> None:
    said = fit_refused("train.csv", *args)
    assert re.search("Cannot write to '.*train.csv.*\nHint: Choose another --output", said)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that takes no files")
def test_a_place_that_takes_no_files(fit_refused: Refused, refused: Refused, model: Path) -> None:
    assert "Cannot write to '/proc/model" in fit_refused("train.csv", "-o", "/proc/model")
    said = refused("predict", model, "train.csv", "-o", "/proc/scores.csv")
    assert "/proc" in said


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("train.csv", "would write over the input 'train.csv'"),
        ("model/scores.csv", "would write over the input 'model'"),
        ("nowhere/scores.csv", "There is no directory 'nowhere'"),
        ("train.csv/scores.csv", "There is no directory 'train.csv'"),
        ("scores.xyz", "Cannot tell the format of 'scores.xyz'"),
    ],
)
def test_a_place_for_predictions(place: str, says: str, refused: Refused, model: Path) -> None:
    assert says in refused("predict", "model", "train.csv", "-o", place)


def test_plots_over_a_file(refused: Refused, model: Path) -> None:
    said = refused("explain", "model", "train.csv", "--plots", "empty.csv", "-q")
    assert "Something else is there already for 'empty.csv'" in said


# A failure in the middle


class Breaks:
    """Stands for a step of the fit: leaves a file in the run folder, then fails."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure
        self.run_folder: Path | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        (self.run_folder,) = Path.cwd().glob("*.run")
        (self.run_folder / "half.bin").write_bytes(b"half")
        raise self.failure


FAILURES = [
    (OSError(errno.ENOSPC, "full", "/d/f"), 2, "No space is left on the disk for '/d/f'"),
    (KeyboardInterrupt(), 130, "Error: Interrupted"),
    (MemoryError(), 1, "The memory is used up"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure[0]).__name__)
@pytest.mark.parametrize("place", [("-o", "fresh"), ("-o", "model", "--force")])
def test_a_run_that_breaks_leaves_the_place_as_it_was(
    failure: tuple[BaseException, int, str],
    place: tuple[str, ...],
    work: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error, status, says = failure
    step = Breaks(error)
    monkeypatch.setattr("automl.features.preprocess.Preprocessor.fit", step)
    before = contents(work)
    assert main(["fit", "train.csv", "-t", "y", *FAST, *place]) == status
    assert step.run_folder is not None
    assert says in capsys.readouterr().err
    assert contents(work) == before
    assert workers() == []


# Rows that do not fit the model


def test_missing_columns_in_the_three_modes(
    refused: Refused, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for strict in ((), ("--strict",)):
        said = refused("predict", "model", "no_x.csv", *strict)
        assert re.search("1 column is missing from the data: 'x'.\nHint: .*--lenient", said)
    assert main(["predict", "model", "no_x.csv", "--lenient"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "scored as missing: 'x'" in err


def test_wrong_cells_in_the_three_modes(
    refused: Refused, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused("predict", "model", "bad_cell.csv", "--strict")
    assert "Row 2, column 'x': 'abc'" in said
    assert "Row 2, column 'city': 'q'" in refused("predict", "model", "new_level.csv", "--strict")
    for lenient in ((), ("--lenient",)):
        assert main(["predict", "model", "bad_cell.csv", *lenient]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 4
        assert "row 2 column 'x': 'abc'" in err


def test_the_strict_mode_writes_no_output(refused: Refused, model: Path) -> None:
    refused("predict", "model", "bad_cell.csv", "--strict", "--chunk-rows", "1", "-o", "s.csv")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("predict", "model", "train.csv", "--lenient", "--strict"), "exclude each other"),
        (("predict", "model", "train.csv", "--keep", "nme"), "column 'nme' to keep is not in the"),
        (("predict", "model", "train.csv", "--format", "xml"), "Unknown format 'xml'"),
        (("predict", "model", "train.csv", "--explain", "-1"), "--explain is -1"),
        (("predict", "model", "train.csv", "--chunk-rows", "0"), "--chunk-rows is 0"),
        (("predict", "model", "train.csv", "--threads", "0"), "--threads is 0"),
        (("evaluate", "model", "new_level.csv"), "The target 'y' is not in the data"),
        (("evaluate", "model", "new_label.csv"), "labels that the model does not know: 'perhaps'"),
        (("evaluate", "model", "train.csv", "-m", "rmse"), "'rmse' is not for binary targets"),
        (("evaluate", "model", "train.csv", "-m", "roc_acu"), "Did you mean 'roc_auc'"),
        (("explain", "model", "train.csv", "--top", "0"), "--top is 0"),
        (("show", "model", "leaderbord"), "Did you mean 'leaderboard'"),
    ],
)
def test_impossible_requests(
    args: tuple[str, ...], says: str, refused: Refused, model: Path
) -> None:
    assert says in refused(*args)


# Bundles


def damage(model: Path, kind: str) -> None:
    manifest = model / "manifest.json"
    booster = next((model / "members").rglob("fold_00.*"))
    content = booster.read_bytes()
    if kind == "changed":
        booster.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif kind == "cut":
        booster.write_bytes(content[:100])
    elif kind == "gone":
        booster.unlink()
    elif kind == "newer":
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        manifest.write_text(json.dumps({**facts, "format": 99}), encoding="utf-8")
    elif kind == "unfinished":
        manifest.unlink()
    else:
        manifest.write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("changed", "its SHA-256 digest does not match"),
        ("cut", "it has 100 bytes instead of"),
        ("gone", r"lacks 'members/.*fold_00"),
        ("newer", "has format 99; this version reads up to 1"),
        ("unfinished", "is not a bundle: it has no manifest.json"),
        ("no json", "is not complete JSON"),
    ],
)
def test_a_damaged_bundle(kind: str, says: str, refused: Refused, model: Path) -> None:
    damage(model, kind)
    assert re.search(says, refused("predict", "model", "train.csv", "-o", "s.csv"))
    assert re.search(says, refused("show", "model"))


@pytest.mark.parametrize(
    ("bundle", "says"),
    [
        ("folder", "'folder' is not a bundle"),
        ("train.csv", "'train.csv' is a file; a bundle is a folder"),
        ("nowhere", "There is no bundle 'nowhere'"),
    ],
)
def test_what_is_no_bundle(bundle: str, says: str, refused: Refused) -> None:
    assert says in refused("predict", bundle, "train.csv")
    assert says in refused("evaluate", bundle, "train.csv")
    assert says in refused("explain", bundle, "train.csv")
    assert says in refused("show", bundle)


def test_folders_on_the_way_to_the_output_go_again(fit_refused: Refused) -> None:
    fit_refused("five.csv", "-o", "new/deep/model", "--temp-dir", "new/temporary")


# The same as a process of its own


class Finished:
    """What a process said, and whether any process that it started is still there."""

    def __init__(self, args: Sequence[object], **more: Any) -> None:
        mark = uuid.uuid4().hex
        environ = {**os.environ, "BAD_INPUT_TEST": mark, **more.pop("environ", {})}
        command = [sys.executable, "-m", "automl", *map(str, args)]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            env=environ,
            timeout=60,
            check=False,
            **more,
        )
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.orphans = list(_of_run(mark, patience=5.0))


def _of_run(mark: str, patience: float) -> Iterator[int]:
    """Processes that carry `mark` in their environment and do not end in `patience` seconds."""
    end = time.monotonic() + patience
    while found := [process.pid for process in psutil.process_iter() if _marked(process, mark)]:
        if time.monotonic() > end:
            yield from found
            return
        time.sleep(0.05)


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("BAD_INPUT_TEST") == mark
    except psutil.Error:  # another user's, or gone meanwhile
        return False


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("fit", "trian.csv", "-t", "y"), "'trian.csv' does not exist"),
        (("fit", "ragged.csv", "-t", "y", *FAST), r"row 61 \(line 62\)"),
        (("fit", "five.csv", "-t", "y", *FAST), "Only 5 rows"),
    ],
)
def test_a_process_that_is_refused(args: tuple[str, ...], says: str, work: Path) -> None:
    before = contents(work)
    done = Finished([*args, "-q"])
    assert (done.status, done.out, done.orphans) == (2, "", [])
    check_block(done.err)
    assert re.search(says, done.err)
    assert contents(work) == before


def test_a_budget_that_is_far_too_small_names_the_least(work: Path) -> None:
    before = contents(work)
    done = Finished(["fit", "train.csv", "-t", "y", "--time-budget", "0.2s", "-q"])
    assert (done.status, done.out, done.orphans) == (2, "", [])
    check_block(done.err)
    least = re.search(r"Give at least --time-budget (\d+)s", done.err)
    assert least is not None
    assert 1 <= int(least[1]) <= 60
    assert contents(work) == before


@pytest.fixture
def no_openmp(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which LightGBM cannot load its OpenMP runtime."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "lightgbm").mkdir()
    (folder / "lightgbm" / "__init__.py").write_text(
        "raise OSError('libgomp.so.1: cannot open shared object file: No such file')\n",
        encoding="utf-8",
    )
    root = Path(automl.__file__).parents[1]
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(root)])}


CURE = re.compile(r"Hint: Install the OpenMP runtime: .*apt-get install libgomp1")


def test_predict_without_openmp_names_the_cure(no_openmp: dict[str, str], model: Path) -> None:
    done = Finished(["predict", "model", "train.csv"], environ=no_openmp)
    assert (done.status, done.out) == (2, "")
    check_block(done.err)
    assert CURE.search(done.err)


def test_fit_without_openmp_names_the_cure(no_openmp: dict[str, str], work: Path) -> None:
    before = contents(work)
    done = Finished(["fit", "train.csv", "-t", "y", *FAST], environ=no_openmp)
    assert (done.status, done.out, done.orphans) == (2, "", [])
    check_block(done.err)
    assert CURE.search(done.err)
    assert contents(work) == before


# Where the output goes


@pytest.mark.skipif(os.name == "nt", reason="needs a reader that leaves, as head does")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", [("predict", "model", "long.csv", "--keep", "all"), ("--help",)])
def test_a_reader_that_leaves_is_no_error(
    args: tuple[str, ...], unbuffered: str, model: Path, work: Path
) -> None:
    rows = table().split("\n", 1)[1]
    (work / "long.csv").write_text("x,city,y\n" + rows * 400, encoding="utf-8")
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "automl", *args]
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=environ) as process:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_on_a_full_disk(unbuffered: str, model: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "automl", "show", "model"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    check_block(done.stderr)
    assert "No space is left on the disk" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_run_that_nobody_hears_goes_on(work: Path) -> None:
    command = [sys.executable, "-m", "automl", "fit", "train.csv", "-t", "y", *FAST[:-1]]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=full, timeout=60, check=False)
    assert done.returncode == 0
    assert (work / "train-model" / "manifest.json").is_file()


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_disk_that_takes_little(work: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    (work / "large.csv").write_text(table(3000), encoding="utf-8")
    before = contents(work)
    done = Finished(["fit", "large.csv", "-t", "y", *FAST], preexec_fn=limit)
    assert (done.status, done.out, done.orphans) == (2, "", [])
    check_block(done.err)
    assert "disk" in done.err or "too large" in done.err
    assert contents(work) == before
