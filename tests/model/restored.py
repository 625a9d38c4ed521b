"""What the model is shown, as pictures again."""

import numpy as np

from uninote.model.qwen.processing.pixels import PatchedImage


def picture_of(image: PatchedImage, merge: int = 2) -> np.ndarray:
    """Return uint8 (height, width, 3)."""
    _, rows, columns = image.grid
    patch = round(image.patches.shape[2] ** 0.5)
    split = image.patches.reshape(rows // merge, columns // merge, merge, merge, 3, patch, patch)
    return split.transpose(0, 2, 5, 1, 3, 6, 4).reshape(rows * patch, columns * patch, 3)
