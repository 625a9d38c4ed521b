import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.training.from_notes.negatives import Window, max_sim


def test_max_sim_is_the_best_element():
    elements = np.array([[1.0, 0.0], [0.6, 0.8]])
    assert max_sim(np.array([0.0, 1.0]), elements) == pytest.approx(0.8)
    assert max_sim(np.array([[0.0, 1.0], [1.0, 0.0]]), elements) == pytest.approx(0.9)
    with pytest.raises(UninoteError, match="without elements"):
        max_sim(np.array([1.0, 0.0]), elements[:0])


def test_a_window_upside_down_is_refused():
    with pytest.raises(UninoteError, match=r"0\.7 to 0\.5"):
        Window(0.7, 0.5)
