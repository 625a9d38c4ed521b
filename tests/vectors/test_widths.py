import numpy as np
import pytest

from uninote.errors import UninoteError
from uninote.vectors.widths import truncate


def vectors(rows: int = 20, width: int = 32, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, width)).astype(dtype)


@pytest.mark.parametrize("width", [1, 7, 32])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_truncation_is_the_prefix_divided_by_its_norm(width, dtype):
    wide = vectors(dtype=dtype)
    narrow = truncate(wide, width)
    assert narrow.dtype == np.float32
    expected = wide[:, :width].astype(np.float64)
    np.testing.assert_allclose(narrow, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


def test_widths_nest():
    np.testing.assert_allclose(truncate(truncate(vectors(), 16), 4), truncate(vectors(), 4), atol=1e-6)


def test_the_argument_is_not_changed():
    wide = vectors()
    truncate(wide, 32)[:] = 0
    np.testing.assert_array_equal(wide, vectors())


def test_a_zero_prefix_stays_zero():
    wide = vectors()
    wide[3, :8] = 0
    narrow = truncate(wide, 8)
    assert not narrow[3].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(narrow, 3, axis=0), axis=1), 1, rtol=1e-5)


def test_no_rows_give_no_rows_of_that_width():
    assert truncate(np.zeros((0, 8), np.float32), 4).shape == (0, 4)


@pytest.mark.parametrize("width", [0, -1, 33])
def test_truncate_rejects_a_width_that_the_embedding_does_not_have(width):
    with pytest.raises(UninoteError, match=rf"width {width} cannot be cut from vectors of width 32"):
        truncate(vectors(), width)


def test_truncate_rejects_a_single_vector():
    with pytest.raises(UninoteError, match=r"shape \(32,\)"):
        truncate(vectors()[0], 4)
