"""Text columns: terms, their weights, the latent axes, and what is written to a bundle."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.schema import Column, Kind, ParsedTable, Schema
from automl.errors import BundleError
from automl.features import terms, text
from automl.features.preprocess import Preprocessor
from automl.features.repeats import RepeatedTexts
from automl.features.strict import Fields
from automl.features.terms import Vocabulary, latent_axes
from automl.features.text import TextColumn

NAN = np.nan


def texts_of(*texts: str | float) -> ParsedTable:
    return ParsedTable(len(texts), {0: pd.Series(list(texts), dtype="str")})


NOTE = Schema((Column("t", Kind.TEXT, "text", ""),))
REVIEWS = [
    f"the {thing} was really {how} this {when}"
    for thing in ("room", "food", "staff", "view")
    for how in ("good", "bad", "great", "awful")
    for when in ("time", "year", "week")
]


def vectorizer(analyzer: str):
    from sklearn.feature_extraction.text import TfidfVectorizer

    if analyzer == "words":
        return TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, min_df=2, token_pattern=r"\w+"
        )
    return TfidfVectorizer(ngram_range=(3, 4), sublinear_tf=True, min_df=2, analyzer="char_wb")


@pytest.mark.parametrize("analyzer", terms.ANALYZERS)
def test_weights_agree_with_scikit_learn(analyzer):
    reference = vectorizer(analyzer)
    expected = reference.fit_transform(REVIEWS).toarray()
    vocabulary = Vocabulary.fit(REVIEWS, analyzer)
    # scikit-learn also makes groups of words that are shorter than a group.
    known = [i for i, t in enumerate(reference.get_feature_names_out()) if t in vocabulary.terms]
    assert vocabulary.terms == tuple(reference.get_feature_names_out()[known])
    assert analyzer == "letters" or len(known) == expected.shape[1]
    np.testing.assert_allclose(vocabulary.weigh(REVIEWS).toarray(), expected[:, known], atol=1e-12)


def slow_letters(text: str) -> list[str]:
    """Groups of letters, one at a time."""
    padded = [f" {word} " for word in terms.WORD.findall(text.lower())]
    return [p[i : i + n] for p in padded for n in (3, 4) for i in range(len(p) - n + 1)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=25), min_size=1, max_size=12))
def test_groups_of_letters_are_those_of_a_plain_loop(texts):
    texts = [*texts, *texts]
    vocabulary = Vocabulary.fit(texts, "letters")
    found = [set(slow_letters(text)) for text in texts]
    assert set(vocabulary.terms) == set().union(*found)
    present = vocabulary.weigh(texts).toarray() > 0
    for row, expected in zip(present, found, strict=True):
        assert {vocabulary.terms[i] for i in np.flatnonzero(row)} == expected


def test_dense_columns_tell_texts_apart():
    column = TextColumn.fit(texts_of(*REVIEWS), NOTE, 0)
    dense = np.column_stack(column.transform(texts_of(*REVIEWS)))[:, 2:]
    assert dense.shape == (48, 8)
    gram, exact = dense @ dense.T, column.vocabulary.weigh(REVIEWS).toarray()
    assert np.corrcoef(gram.ravel(), (exact @ exact.T).ravel())[0, 1] > 0.9


def test_axes_span_the_leading_singular_vectors_and_lean_on_few_terms():
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    topics = np.kron(np.eye(4), np.ones(5))  # four meanings of five terms each
    mixed = rng.permutation(np.repeat(np.eye(4), 30, axis=0)) @ topics
    weights = csr_matrix(mixed + rng.normal(scale=0.02, size=(120, 20)))
    axes = latent_axes(weights, 4)
    np.testing.assert_allclose(axes @ axes.T, np.eye(4), atol=1e-5)
    leading = np.linalg.svd(weights.toarray())[2][:4]
    np.testing.assert_allclose(axes.T @ axes, leading.T @ leading, atol=1e-3)
    # Each axis is one meaning, told from the others.
    strong = np.abs(axes) > 0.2
    assert sorted(map(tuple, strong.astype(int).tolist())) == sorted(
        map(tuple, topics.astype(int).tolist())
    )
    assert (axes[strong] > 0).all()


def test_titles_use_groups_of_letters_and_prose_uses_words():
    names = ["Müller", "Miller", "Smith", "Smythe", "Schmidt", "Schmitt"] * 3
    column = TextColumn.fit(texts_of(*names), NOTE, 0)
    assert column.vocabulary.analyzer == "letters"
    assert " sm" in column.vocabulary.terms
    prose = [f"{a}; {b}" for a, b in zip(REVIEWS, REVIEWS[::-1], strict=True)]
    assert TextColumn.fit(texts_of(*prose), NOTE, 0).vocabulary.analyzer == "words"


def test_missing_empty_and_unknown_texts():
    column = TextColumn.fit(texts_of(*REVIEWS), NOTE, 0)
    values = np.column_stack(column.transform(texts_of(NAN, "", "zzz qqq")))
    assert np.isnan(values[0]).all()
    assert values[1].tolist() == [0.0] * 10
    assert values[2].tolist() == [7.0, 2.0] + [0.0] * 8


def test_a_misspelt_word_stays_near():
    column = TextColumn.fit(texts_of(*REVIEWS), NOTE, 0)
    texts = ("the staff was great", "the stafff was graet", "the view was awful")
    right, misspelt, other = np.column_stack(column.transform(texts_of(*texts)))[:, 2:]
    assert np.linalg.norm(right - misspelt) < 0.7 * np.linalg.norm(right - other)


def test_texts_without_a_shared_term_keep_their_sizes():
    column = TextColumn.fit(texts_of("abcdef", "ghijklm", "nop"), NOTE, 0)
    assert [f.name for f in column.features] == ["t: length", "t: words"]
    assert column.transform(texts_of("xy z"))[0].tolist() == [4.0]


def test_fitted_on_a_bounded_sample(monkeypatch):
    monkeypatch.setattr(text, "SAMPLE_ROWS", 10)
    monkeypatch.setattr(terms, "MAX_TERMS", 6)
    monkeypatch.setattr(text, "CHUNK_ROWS", 5)
    column = TextColumn.fit(texts_of(*REVIEWS), NOTE, 0)
    assert len(column.vocabulary.terms) == 6
    whole = np.column_stack(column.transform(texts_of(*REVIEWS)))
    monkeypatch.setattr(text, "CHUNK_ROWS", 1000)
    assert np.array_equal(whole, np.column_stack(column.transform(texts_of(*REVIEWS))))


def test_the_same_texts_give_the_same_columns_and_the_same_after_json():
    first, second = (TextColumn.fit(texts_of(*REVIEWS), NOTE, 0) for _ in range(2))
    assert first.to_json() == second.to_json()
    data = json.loads(json.dumps(first.only([1, 3, 4]).to_json()))
    loaded = TextColumn.from_json(Fields.of(data, "here"))
    made = [first.transform(texts_of(*REVIEWS))[i] for i in (1, 3, 4)]
    assert np.array_equal(loaded.transform(texts_of(*REVIEWS)), made)
    for name, value in (("idf", [1.0]), ("sizes", ["height"]), ("components", [[0.5]])):
        with pytest.raises(BundleError, match="here"):
            TextColumn.from_json(Fields.of({**data, name: value}, "here"))


JOBS = ["Clerk"] * 6 + ["Nurse"] * 4 + ["Nurse II", "Clerk, Sr", "Nurse Sr.", NAN, NAN]


def test_repeated_texts_get_codes_beside_their_letters():
    repeats = RepeatedTexts.fit(texts_of(*JOBS), NOTE, 0)
    assert repeats is not None
    assert [f.name for f in repeats.features] == ["t"]
    assert repeats.features[0].n_levels == 4
    codes = repeats.transform(texts_of("Nurse", "Clerk", "Nurse II", "a new one", NAN))[0]
    assert codes.tolist() == [1, 0, 2, 2, 3]
    _, matrix = Preprocessor.fit(texts_of(*JOBS), NOTE)
    assert "t: meaning 1" in [f.name for f in matrix.features]
    assert [f.n_levels for f in matrix.features if f.name == "t"] == [4]


def test_codes_of_repeated_texts_survive_json():
    preprocessor, matrix = Preprocessor.fit(texts_of(*JOBS), NOTE)
    data = json.loads(json.dumps(preprocessor.to_json()))
    loaded = Preprocessor.from_json(data)
    values = loaded.transform(texts_of(*JOBS)).values
    assert np.array_equal(values, matrix.values, equal_nan=True)
    repeats = next(each for each in data["transformers"] if each["kind"] == "repeats")
    repeats["levels"] = repeats["levels"][:1]
    with pytest.raises(BundleError, match="levels and codes do not fit together"):
        Preprocessor.from_json(data)


def test_texts_that_hardly_repeat_get_no_codes():
    assert RepeatedTexts.fit(texts_of(*REVIEWS, REVIEWS[0], REVIEWS[1]), NOTE, 0) is None
