"""The size an image has for the model: multiples of the grid, within the pixel limits, whatever its shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from uninote.media.images import ImageError
from uninote.model.identity.layouts import Limits

# Beyond it the published resizing refuses; such images are squeezed instead.
MAX_ASPECT = 200
# In pixels; photos of 50 megapixels need a sixth of it, whatever their shape up to 200:1.
MOST_WIDENED = 64 << 20


def target_size(height: int, width: int, grid: int, limits: Limits) -> tuple[int, int]:
    """Return height and width after resizing: the published rule, and never more than `limits.max_pixels`."""
    height, width = min(height, width * MAX_ASPECT), min(width, height * MAX_ASPECT)
    new_height, new_width = smart_resize(height, width, grid, limits.min_pixels, limits.max_pixels)
    if new_height >= new_width:
        return min(new_height, limits.max_pixels // new_width // grid * grid), new_width
    return new_height, min(new_width, limits.max_pixels // new_height // grid * grid)


def largest_share(sizes: Sequence[int], budget: int) -> int:
    """Return the largest number that all `sizes` may be cut to, whichever are larger, so that their sum is at most `budget`."""
    left = budget
    for place, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - place)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def resized(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return the image as uint8 (height, width, 3), `size` being height and width. Raises ImageError for an endless strip."""
    height, width = size
    # Pillow resizes the width first: a narrow, high image is for a moment as wide as its result and as high as before.
    if width * image.height > MOST_WIDENED:
        raise ImageError(
            "media_too_many_pixels",
            f"has {image.width} x {image.height} pixels, which resizing makes {width * image.height:,} before it makes "
            f"them fewer; at most {MOST_WIDENED:,} are allowed",
        )
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(rgb.resize((width, height), Image.Resampling.BICUBIC))
