import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.training.from_notes.negatives import Window, choose_negatives, max_sim, with_rule

NUMBERS = np.array([10, 11, 12, 13, 14, 15])
SCORES = np.array([0.49, 0.5, 0.6, 0.6, 0.7, 0.71])


def test_the_window_is_closed_and_the_hardest_come_first():
    assert choose_negatives(NUMBERS, SCORES, None, Window()).tolist() == [14, 12, 13, 11]
    assert choose_negatives(NUMBERS, SCORES, None, Window(count=2)).tolist() == [14, 12]


def test_what_scores_as_the_positive_does_is_a_false_negative():
    assert choose_negatives(NUMBERS, SCORES, 0.605, Window(margin=0.01)).tolist() == [11]
    assert choose_negatives(NUMBERS, SCORES, 0.62, Window(margin=0.01)).tolist() == [12, 13, 11]


def test_choosing_agrees_with_a_filter_written_out():
    random = np.random.default_rng(0)
    for _ in range(20):
        scores = random.uniform(-1, 1, 50)
        window = Window(0.1, 0.6, 0.05, 7)
        expected = sorted((n for n in range(50) if 0.1 <= scores[n] <= min(0.6, 0.4 - 0.05)), key=lambda n: -scores[n])
        assert choose_negatives(np.arange(50), scores, 0.4, window).tolist() == expected[:7]


def test_the_negative_by_rule_stands_first_and_once():
    assert with_rule(np.array([4, 9, 5]), 9, 3).tolist() == [9, 4, 5]
    assert with_rule(np.array([4, 9, 5]), None, 2).tolist() == [4, 9]


def test_max_sim_is_the_best_element():
    elements = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert max_sim(np.array([0.0, 1.0]), elements) == pytest.approx(0.8)
    assert max_sim(np.array([[0.0, 1.0], [1.0, 0.0]]), elements) == pytest.approx(0.9)
    with pytest.raises(UninoteError, match="without elements"):
        max_sim(np.array([1.0, 0.0]), elements[:0])


def test_a_window_upside_down_is_refused():
    with pytest.raises(UninoteError, match=r"0\.7 to 0\.5"):
        Window(0.7, 0.5)
