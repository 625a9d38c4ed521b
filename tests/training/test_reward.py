import numpy as np
import pytest

from uninote.training.loop.reward import advantages, rewards


def test_relevant_notes_in_order_above_noise_by_hand():
    # G 4, two relevant in order, noise last with nothing relevant below: base 6, absolute 1, relative 1
    assert rewards([1, 2, 0, 0]).tolist() == [8, 8, 0, 0]


def test_noise_above_relevant_notes_is_punished_the_more_the_higher_it_stands():
    # rank 1: -5 (1 + 3/4); rank 3: -5 (1 + 1/4); relevant at 2 belongs at 1, at 4 belongs at 2
    assert rewards([0, 1, 0, 2]).tolist() == pytest.approx([-8.75, 6 + 0.75 + 1, -6.25, 6 + 0.5 + 1])


def test_relevant_notes_out_of_order_by_hand():
    # ranks 1 2 3 belong at 2 3 1: |i - where| 1 1 2; right pairs: the first with the second
    expected = [9 + (1 - 1 / 3) + 1 / 2, 9 + (1 - 1 / 3) + 1 / 2, 9 + (1 - 2 / 3) + 0]
    assert rewards([2, 3, 1]).tolist() == pytest.approx(expected)


def test_one_relevant_note_alone_is_in_order():
    assert rewards([0, 1]).tolist() == pytest.approx([-5 * 1.5, 3 + 0.5 + 1])


def test_only_noise_is_neither_punished_nor_rewarded():
    assert rewards([0, 0, 0]).tolist() == [0, 0, 0]


def test_advantages_are_centred_scaled_and_zero_in_a_group_of_equals():
    found = advantages(np.array([1.0, 3.0, 5.0]))
    assert found.tolist() == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)], rel=1e-4)
    assert advantages(np.array([2.0, 2.0])).tolist() == [0, 0]
