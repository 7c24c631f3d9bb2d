"""The calibration of what ships: what the bag of the folds' models gains, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automl.ledger import Ledger
from automl.model.bundle import MemberFiles
from automl.search.averaging import Averaged
from automl.search.blend import row_sample
from automl.search.calibrate import bag_line
from automl.search.journal import Journal
from automl.search.select import Choice
from automl.search.ship import GRACE
from automl.search.spread import Spread
from automl.workflows.shipped import assembled

if TYPE_CHECKING:
    from automl.workflows.finish import Finish

# Training rows on which the models of the folds are compared, and a bound on their margins.
_ROWS = 2000
_NUMBERS = 200_000
_LEAST_ROWS = 50
_SHARE = 0.4  # of the seconds that are left, under a clock; the rest is for SHAP values
_LOAD_SECONDS, _LOAD_BYTES = 0.003, 3e7  # of a booster, and of its file in a second
_SMALL = 0.002  # of a slope or a shift: no probability changes visibly


def tell_calibration(choice: Choice, ledger: Ledger) -> None:
    """Write into the ledger which calibration was chosen, and what it bought."""
    if choice.spread is not None:
        _tell_spread(choice.spread, ledger)
    link, found = choice.link, choice.calibration
    if found is None:
        return
    names = ", ".join(name for name in found.tried if name != "none")
    before, after = found.before, found.after
    if found.method == "none":
        ledger.add(
            "calibration",
            f"probabilities stay as they are: expected calibration error {before.ece:.4f}",
            f"none of {names} lowers the log loss beyond noise on rows that it was not fitted on",
        )
        return
    how = {
        "temperature": f"temperature {link.temperature:.3f}",
        "shift": f"intercept {link.intercept:+.3f}",
        "platt": f"slope {1 / link.temperature:.3f} and intercept {link.intercept:+.3f} (Platt)",
        "isotonic": f"an isotonic curve of {len(link.knots)} knots",
    }[found.method]
    ledger.add(
        "calibration",
        f"probabilities calibrated with {how}",
        f"on rows that it was not fitted on, log loss {before.log_loss:.5f} to "
        f"{after.log_loss:.5f}, expected calibration error {before.ece:.4f} to {after.ece:.4f}",
    )


def _tell_spread(found: Spread, ledger: Ledger) -> None:
    losses = f"{found.before:.6g} to {found.after:.6g}"
    off = f"{100 * found.off_before:.2g} to {100 * found.off_after:.2g}"
    if not found.pays:
        why = (
            f"moved, they would take the mean pinball loss from {losses}, and the shares of "
            f"targets below from being {off} points off, on rows that they are not fitted on"
        )
        ledger.add("calibration", "quantiles stay as far apart as they are", why)
        return
    factors = ", ".join(f"{factor:.3g}" for factor in found.factors if factor)
    ledger.add(
        "calibration",
        f"quantiles moved away from the middle one by factors of {factors}",
        f"shares of targets below are off by {off} points on average, and the mean pinball loss "
        f"goes from {losses}, on rows that they are not fitted on",
    )


def bag_calibrated(
    finish: Finish,
    choice: Choice,
    members: Sequence[MemberFiles],
    averages: Averaged | None,
    journal: Journal,
) -> Choice:
    """`choice` with the link of what ships, where that is a bag of the models of the folds.

    Out of fold a row has the margin of one model, what ships has the mean of all of them, which
    is less noisy. As it is where one model ships, and where there is no time.
    averages: margins of all models on some rows, where they are known already. A clock bounds the
    rows, so the journal keeps what was found, and a run that repeats this one takes it from there.
    """
    scorer = finish.race.scorer
    bagged = len(scorer.splits) == len(members[0].boosters) > 1
    if choice.calibration is None or not bagged:
        return choice
    started = finish.plan.budget.spent()
    known = None if finish.script is None else finish.script.bag
    if known is not None:
        slope, shift = known.slope, known.shift
        why = "as the run found that this one repeats"
    else:
        found = _line_of(finish, choice, members, averages)
        if found is None:
            journal.write("bag", slope=1.0, shift=0.0)
            finish.ledger.add(
                "calibration",
                "probabilities are calibrated as those of one fold's model, not of the bag",
                "no time was left to compare the models",
            )
            return choice
        (slope, shift), n_rows = found
        why = (
            f"the mean of {len(scorer.splits)} models has less noise than the one model that a "
            f"row is scored with; estimated from how they differ on {n_rows:,} rows"
        )
    if abs(slope - 1.0) < _SMALL and abs(shift) < _SMALL:
        slope, shift = 1.0, 0.0
    journal.write("bag", slope=slope, shift=shift)
    if (slope, shift) == (1.0, 0.0):
        return choice
    moved = f" and {shift:+.3f}" if shift else ""
    finish.ledger.add(
        "calibration",
        f"margins of what ships count {slope:.3f} times{moved}",
        why,
        seconds=finish.plan.budget.spent() - started if finish.by_clock else None,
    )
    return replace(choice, shipped=choice.link.stretched(slope, shift))


def _line_of(
    finish: Finish,
    choice: Choice,
    members: Sequence[MemberFiles],
    averages: Averaged | None,
) -> tuple[tuple[float, float], int] | None:
    """Slope and shift for the bag, and the rows behind them; None where there is no time."""
    scorer = finish.race.scorer
    if averages is not None:
        taken, models = averages.positions, averages.margins
    else:
        n_rows = _n_rows(finish, choice)
        if n_rows < _LEAST_ROWS:
            return None
        every = len(scorer.rows)
        taken = np.arange(every)[row_sample(every, n_rows, finish.config.seed)]
        models = _models(finish, choice, members, scorer.rows[taken])
    unseen = np.stack([np.isin(scorer.rows[taken], split.valid) for split in scorer.splits])
    return bag_line(choice.link, choice.pooled[taken], models, unseen), len(taken)


def _models(
    finish: Finish, choice: Choice, members: Sequence[MemberFiles], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(m, n, k) margins of each fold's models."""
    matrix = finish.data.cells(finish.run.store, rows)
    whole = assembled(finish, choice, members)
    return np.stack(
        [
            replace(
                whole,
                members=tuple(replace(m, boosters=m.boosters[k : k + 1]) for m in whole.members),
            ).margin_of(matrix)
            for k in range(len(finish.race.scorer.splits))
        ]
    )


def _n_rows(finish: Finish, choice: Choice) -> int:
    """Rows on which there is time to compare the models of the folds."""
    scorer, plan = finish.race.scorer, finish.plan
    n_models = len(scorer.splits)
    wanted = min(_ROWS, max(_NUMBERS // (n_models * finish.data.n_outputs), 2 * _LEAST_ROWS))
    wanted = min(wanted, len(scorer.rows))
    if not finish.by_clock:
        return wanted
    # Each row was predicted by one model of each trial.
    trials = [trial for trial in finish.race.done if trial.name in choice.weights]
    spare = plan.budget.left() - plan.end_seconds() - GRACE
    size = sum(fold.model_bytes for trial in trials for fold in trial.prefix())
    loading = _LOAD_SECONDS * n_models * len(trials) + size / _LOAD_BYTES
    seconds = _SHARE * spare - plan.slowness * loading
    each = sum(trial.predict_seconds for trial in trials) / len(scorer.rows)
    return int(min(wanted, max(seconds, 0.0) / max(each * n_models, 1e-9)))
