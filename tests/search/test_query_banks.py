"""Hubness by a bank of queries, and the banks of a generation, without Spark."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import logsumexp
from scipy.stats import skew

from udfs.arrow import to_bytes
from udfs.index.search import make_corrected
from uninote.config.sections.index import SearchConfig
from uninote.lake.paths import GenerationLake, Lake
from uninote.pipelines.index.query_bank import make_bank
from uninote.pipelines.index.search import search
from uninote.pipelines.search_work import choose_work
from uninote.search.hubness import LEAST_QUERIES, hubness, skewness
from uninote.search.measures import measure
from uninote.search.stored_banks import BankError, add_bank, read_bank
from uninote.vectors.widths import truncate


def unit(count, width, seed):
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def generation(tmp_path):
    return GenerationLake(Lake(str(tmp_path)), "model-a")


@pytest.mark.parametrize("temperature", [0.0005, 0.05, 1.0])
def test_hubness_is_a_logarithm_of_mean_exponentials(temperature):
    notes, bank = unit(500, 16, 0), unit(70, 16, 1)
    scores = notes.astype(np.float64) @ bank.T
    expected = temperature * (logsumexp(scores / temperature, axis=1) - np.log(len(bank)))
    np.testing.assert_allclose(hubness(notes, bank, temperature), expected, atol=1e-6)


def test_skewness_is_the_third_standardised_moment():
    counts = np.random.default_rng(0).poisson(3, 1000) ** 2
    assert skewness(counts) == pytest.approx(skew(counts))
    assert skewness(np.full(5, 3)) == 0


def test_banks_are_frozen_and_numbered(generation):
    with pytest.raises(
        BankError, match=r"model-a has no bank of queries; known are: none. Make one: jobs/search.py --make"
    ):
        read_bank(generation)
    first, second = unit(110, 8, 0), unit(120, 8, 1)
    made, is_new = add_bank(generation, first, "run-1")
    assert (made.version, is_new) == (1, True)
    # The same queries in another order are the same bank.
    assert add_bank(generation, first[::-1], "run-2")[1] is False
    assert add_bank(generation, second, "run-3")[0].version == 2

    assert read_bank(generation).version == 2
    found = read_bank(generation, 1)
    assert found.fingerprint == made.fingerprint
    assert sorted(map(tuple, found.vectors)) == sorted(map(tuple, first))
    with pytest.raises(BankError, match="no bank of queries 3; known are: 1, 2"):
        read_bank(generation, 3)


def test_what_is_no_bank_is_refused(generation):
    with pytest.raises(BankError, match="has 99 different queries that can be embedded, and a bank takes 100 or more"):
        add_bank(generation, unit(LEAST_QUERIES - 1, 8, 0), "run-1")
    add_bank(generation, unit(110, 8, 0), "run-1")
    other = GenerationLake(generation.lake, "model-b")
    # As a folder that somebody copied would have it.
    shutil.copytree(generation.uri("query_banks"), other.uri("query_banks"))
    with pytest.raises(BankError, match="bank of queries 1 is of the model model-a, and this one is model-b"):
        read_bank(other)


def test_answers_are_measured_by_known_ones():
    rows = [
        {"query_id": name, "neighbours": [{"note_id": note} for note in notes]}
        for name, notes in {"a": ["x", "y"], "b": ["x", "z"], "c": []}.items()
    ]
    found = measure(rows, {"a": "x", "b": "z", "c": "w", "unasked": "x"}, notes=10)
    assert (found["recall"], found["first"]) == pytest.approx((2 / 3, 1 / 3))
    assert found["skewness"] == pytest.approx(skew([2, 1, 1, *[0] * 7]))
    with pytest.raises(ValueError, match="none of the queries whose right answers are given"):
        measure(rows, {"unasked": "x"}, notes=10)


def test_notes_that_several_queries_found_are_corrected_alike():
    notes, bank = unit(3, 16, 0), unit(120, 32, 1)
    found = pa.record_batch(
        {
            "item_id": ["a", "a", "b"],
            "note_id": ["x", "y", "x"],
            "score": pa.array([0.5, 0.4, 0.3], pa.float32()),
            "vector": to_bytes(notes[[0, 1, 0]]),
        }
    )
    (corrected,) = make_corrected(lambda: bank, 16, 0.05)(iter([found.slice(0, 0), found]))
    expected = np.array([0.5, 0.4, 0.3]) - hubness(notes, truncate(bank, 16), 0.05)[[0, 1, 0]]
    np.testing.assert_allclose(corrected["corrected"], expected, atol=1e-6)
    assert corrected.drop_columns(["corrected"]).equals(found.drop_columns(["vector"]))


@pytest.mark.parametrize("other", [{"weights": {"text": 1.0}}, {"fusion": "parts"}])
def test_a_correction_is_of_whole_scores(other):
    with pytest.raises(ValueError, match="hubness: queries corrects scores of a note and a query as wholes"):
        SearchConfig.model_validate({"hubness": "queries", **other})


def test_the_job_makes_a_bank_on_request():
    assert choose_work(["--set", "a=b"]) == (search, ["--set", "a=b"])
    assert choose_work(["--make-bank", "--set", "a=b"]) == (make_bank, ["--set", "a=b"])
