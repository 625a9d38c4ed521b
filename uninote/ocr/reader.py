"""A reader of texts in images, as a stage is given one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

ReadText = Callable[[np.ndarray], str]  # of an image in RGB, uint8 (height, width, 3); "" where there is no text
INSTALL = "pip install 'uninote[ocr]'"


@dataclass(frozen=True)
class TextReader:
    """`load` is called once in a worker and returns what reads; `engine` names it with its version.

    No image that it is given has a side longer than `most_side` pixels.
    """

    engine: str
    load: Callable[[], ReadText]
    most_side: int = 2000

    def fit(self, image: Image.Image) -> np.ndarray:
        """Return the pixels of an image in RGB, made smaller where a side is too long."""
        longest = max(image.size)
        if longest > self.most_side:
            share = self.most_side / longest
            size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(image)
