import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.model.compute.batching import token_batches


def random_lengths(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(1, 300, random.integers(1, 200))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("batch_tokens", [1, 64, 256, 1000, 10**6])
def test_every_index_comes_once_and_batches_stay_within_their_cost(seed, batch_tokens):
    lengths = random_lengths(seed)
    batches = token_batches(lengths, batch_tokens)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * lengths[batch].max() <= batch_tokens or len(batch) == 1


def test_batches_hold_rows_of_similar_length_and_are_not_smaller_than_they_need():
    batches = token_batches([5, 100, 5, 90, 5], 200)
    assert [batch.tolist() for batch in batches] == [[0, 2, 4], [3, 1]]


def test_a_row_longer_than_the_budget_has_a_batch_of_its_own():
    assert [batch.tolist() for batch in token_batches([500, 3, 400], 10)] == [[1], [2], [0]]


def test_no_rows_make_no_batches():
    assert token_batches([], 10) == []


def test_a_budget_below_one_token_is_refused():
    with pytest.raises(UninoteError, match="batch_tokens is 0"):
        token_batches([1], 0)
