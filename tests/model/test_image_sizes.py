import itertools

import pytest

from uninote.errors import UninoteError
from uninote.model.identity.layouts import PUBLISHED_LIMITS, Limits
from uninote.model.qwen.processing.image_sizes import target_size
from uninote.model.qwen.processing.limits import check_limits
from uninote.model.qwen.tiny import LIMITS

EDGES = (1, 2, 15, 31, 32, 33, 100, 640, 1079, 4096, 50_000)


@pytest.mark.parametrize("limits", [PUBLISHED_LIMITS, LIMITS])
def test_every_shape_fits_the_grid_and_the_pixel_limit(limits):
    for height, width in itertools.product(EDGES, EDGES):
        new_height, new_width = target_size(height, width, 32, limits)
        assert new_height % 32 == new_width % 32 == 0
        assert 0 < new_height * new_width <= limits.max_pixels
        assert target_size(width, height, 32, limits) == (new_width, new_height)


def test_usual_images_keep_their_shape():
    assert target_size(480, 640, 32, PUBLISHED_LIMITS) == (480, 640)
    height, width = target_size(3000, 4000, 32, PUBLISHED_LIMITS)
    assert width / height == pytest.approx(4 / 3, rel=0.03)
    assert height * width > 0.9 * PUBLISHED_LIMITS.max_pixels


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(512, 4, 1024, 4000), "max_pixels is 4000; .* the least is 4096"),
        (Limits(33, 4, 1024, 4096), "max_tokens is 33; .* need 34"),
    ],
)
def test_limits_that_leave_no_room_are_refused_with_the_numbers(limits, message):
    with pytest.raises(UninoteError, match=message):
        check_limits(limits, 32, 30)
