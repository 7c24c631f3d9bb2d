"""Target encodings: no leak, right values, cells found fast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.features.encoding import (
    VALUE_LEVELS,
    CellCodes,
    Key,
    Target,
    compress,
    find,
    fit_encoding,
    inner_folds,
    shrinkage,
    snapped,
)
from automl.features.matrix import Feature, Matrix

NAN = np.nan


def column(codes, n_levels: int) -> tuple[Matrix, CellCodes]:
    values = np.asfortranarray(np.asarray(codes, dtype=np.float64)[:, None])
    matrix = Matrix(values, (Feature("c", (0,), n_levels=n_levels),))
    return matrix, CellCodes(matrix, [Key(0, "category", n_levels=n_levels)])


def test_a_training_row_is_encoded_by_the_other_inner_folds_alone():
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 6, 300)
    y = rng.normal(size=300) + cells
    inner = inner_folds(300, seed=0)
    target = Target.of(y[:, None], None, inner)
    encoding, encoded = fit_encoding((0,), column(cells, 6)[1], np.arange(300), target)
    prior = float(target.prior[0])
    sums = np.array([(y - prior)[cells == c].sum() for c in range(6)])
    counts = np.array([(cells == c).sum() for c in range(6)]).astype(float)
    m = shrinkage(sums, counts, float(target.squares[0]))
    fitted = prior + sums / (counts + m)
    assert encoding.values[:, 0] == pytest.approx(fitted, rel=1e-6)  # few cells: a level each
    steps, edges = snapped(fitted, counts)
    for row in range(300):
        others = y[(cells == cells[row]) & (inner != inner[row])]
        expected = prior + (others - prior).sum() / (len(others) + m)
        assert encoded[row, 0] == np.float32(steps[np.searchsorted(edges, expected)])


def test_snapped_values_are_few_means_between_their_edges():
    rng = np.random.default_rng(0)
    values, rows = rng.normal(size=2000), rng.integers(1, 50, 2000).astype(np.float64)
    steps, edges = snapped(values, rows)
    assert len(steps) == len(edges) + 1 == VALUE_LEVELS
    assert (steps[:-1] < edges).all()
    assert (edges < steps[1:]).all()
    level = np.searchsorted(edges, values)
    mass = np.bincount(level, rows)
    assert mass.min() > 0.5 * rows.sum() / VALUE_LEVELS
    assert steps[3] == pytest.approx(np.average(values[level == 3], weights=rows[level == 3]))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 99)), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_snapping_keeps_the_order_of_cells(cells):
    values, rows = (np.array(part, dtype=np.float64) for part in zip(*cells, strict=True))
    steps, edges = snapped(values, rows)
    got = steps[np.searchsorted(edges, values)]
    order = np.argsort(values, kind="stable")
    assert np.isfinite(got).all()
    assert (np.diff(got[order]) >= 0).all()


def test_a_level_of_neighbouring_floats_or_without_weight_keeps_its_value():
    value = 1000.0
    for _ in range(8):  # halfway between two neighbours is now the lower, now the upper one
        above = float(np.nextafter(value, np.inf))
        steps, edges = snapped(np.array([0.0, value, above, 2000.0]), np.ones(4))
        assert steps[np.searchsorted(edges, 1200.0)] == 1000.0
        value = above
    assert snapped(np.array([0.5, 1.0, 2.0]), np.array([0.0, 5.0, 5.0]))[0][0] == 0.5


def test_a_splitter_cannot_read_the_targets_of_an_inner_fold_within_a_cell():
    """Unsnapped, the rows of a cell are ordered against their own fold's mean target."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 8, 4000)
    y = rng.normal(size=4000) + cells
    target = Target.of(y[:, None], None, inner_folds(4000, seed=0))
    _, encoded = fit_encoding((0,), column(cells, 8)[1], np.arange(4000), target)
    assert all(len(np.unique(encoded[cells == c])) == 1 for c in range(8))


def test_values_are_shrunken_means():
    cells = np.repeat([0.0, 1.0, 2.0], [40, 40, 20])
    y = np.concatenate([np.tile([0, 0, 0, 1], 10), np.tile([0, 1, 1, 1], 10), np.tile([0, 1], 10)])
    target = Target.of(y[:, None].astype(np.float64), None, inner_folds(100, seed=0))
    encoding, _ = fit_encoding((0,), column(cells, 3)[1], np.arange(100), target)
    assert encoding.prior == pytest.approx([0.5])
    m = shrinkage(np.array([-10.0, 10.0, 0.0]), np.array([40.0, 40.0, 20.0]), 25.0)
    assert 1 < m < 10
    shrunken = [0.5 - 10 / (40 + m), 0.5 + 10 / (40 + m), 0.5]
    assert encoding.values[:, 0] == pytest.approx(shrunken, rel=1e-6)


def test_unseen_cells_get_the_prior_and_missing_is_a_level():
    y = np.array([0.0] * 30 + [1.0] * 30 + [0.0, 1.0] * 15)
    target = Target.of(y[:, None], None, inner_folds(90, seed=0))
    codes = column([0.0] * 30 + [NAN] * 30 + [1.0] * 30, 4)[1]
    encoding, _ = fit_encoding((0,), codes, np.arange(90), target)
    encoded = encoding.transform(column([0.0, NAN, 1.0, 3.0], 4)[1])[:, 0]
    assert encoded[0] < encoded[2] < encoded[1]
    assert encoded[3] == pytest.approx(0.5)


def test_cells_that_do_not_differ_are_all_prior():
    assert shrinkage(np.zeros(3), np.full(3, 100.0), 75.0) == np.inf


def test_weights_count_as_rows():
    rng = np.random.default_rng(0)
    cells, y = rng.integers(0, 6, 200), rng.integers(0, 2, 200).astype(np.float64)
    weight = rng.integers(1, 4, 200)
    again = np.repeat(np.arange(200), weight)
    inner = inner_folds(200, seed=0)
    weighted = Target.of(y[:, None], weight.astype(np.float64), inner)
    first, _ = fit_encoding((0,), column(cells, 6)[1], np.arange(200), weighted)
    repeated = Target.of(y[again][:, None], None, inner[again])
    second, _ = fit_encoding((0,), column(cells[again], 6)[1], np.arange(len(again)), repeated)
    assert weighted.prior == pytest.approx(repeated.prior)
    assert np.array_equal(first.cells, second.cells)
    assert np.argsort(first.values[:, 0]).tolist() == np.argsort(second.values[:, 0]).tolist()


def test_groups_share_an_inner_fold():
    groups = np.repeat(np.arange(50), 4)
    inner = inner_folds(200, seed=3, groups=groups)
    assert len(np.unique(inner)) == 5
    assert all(len(np.unique(inner[groups == g])) == 1 for g in range(50))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 99_999), min_size=1), st.sampled_from([100_000, 10**9]))
def test_cells_are_found_by_index_and_by_search_alike(codes, size):
    given_codes = np.array(codes, dtype=np.int64)
    cells, place = compress(given_codes, size)
    assert cells.tolist() == sorted(set(codes))
    assert np.array_equal(cells[place], given_codes)
    asked = np.concatenate([given_codes, [0, 99_999]])
    expected = [cells.tolist().index(c) if c in cells else len(cells) for c in asked.tolist()]
    assert find(cells, asked, size).tolist() == expected
    dense = find(cells, np.tile(asked, 25_000 // len(asked) + 1), 100_000)
    assert dense[: len(asked)].tolist() == expected


def test_encodings_of_noise_do_not_follow_the_target():
    followed = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        cells, y = rng.integers(0, 2000, 4500), rng.integers(0, 2, 4500).astype(np.float64)
        target = Target.of(y[:, None], None, inner_folds(4500, seed=seed))
        _, encoded = fit_encoding((0,), column(cells, 2000)[1], np.arange(4500), target)
        if encoded.std() > 0:
            followed.append(np.corrcoef(encoded[:, 0], y)[0, 1])
    assert len(followed) >= 3
    assert np.max(np.abs(followed)) < 0.08
