"""Numbered layouts: what moves vectors beside the weights, the notes and the arithmetic.

A layout is how a note becomes what the model reads: the frame of the prompt, the order of its parts, how texts are tokenised
and cut, how images are decoded and resized, and the limits of checkpoints that declare none. Its number is part of a
generation's identity (`identity.py`); versions of libraries are not.

Whoever changes any of this, or finds that a new library moves vectors, adds a layout: a further number with a field that says
what differs, which the code asks. A layout that exists is never edited: lakes and checkpoints keep theirs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.frames import FRAME, Frame


@dataclass(frozen=True)
class Limits:
    """How much of a note the model sees. Pixels are those of one image after resizing.

    Of the tokens beside the frame, the images of a note take at most `image_share` together, in layouts that share pixels.
    """

    max_tokens: int
    max_images: int
    min_pixels: int
    max_pixels: int
    image_share: float = 0.9  # four images of the published size keep it, and texts have some room

    def declared(self) -> dict[str, Any]:
        """Return what cards and names of generations hold: without the share that all had before it could be set."""
        values = asdict(self)
        if self.image_share == Limits.image_share:
            del values["image_share"]
        return values


# Tokens and pixels as in Qwen3-VL-Embedding's reference code; the number of images is this project's choice.
PUBLISHED_LIMITS = Limits(max_tokens=8192, max_images=8, min_pixels=4 * 32 * 32, max_pixels=1800 * 32 * 32)


@dataclass(frozen=True)
class Layout:
    """One layout. `published_limits` are those of Qwen3-VL folders that declare none; `meaning` is for people.

    `shares_pixels`: images of a note that together would take too many tokens become smaller, instead of the last ones being
    left out. `joins_texts`: texts that no image parts are tokenised as one, as the published processor does. `qwen_only`: it
    differs from the one before for models of that family alone; all others stay with that.
    """

    number: int
    meaning: str
    frame: Frame = FRAME
    published_limits: Limits = PUBLISHED_LIMITS
    shares_pixels: bool = False
    joins_texts: bool = False
    qwen_only: bool = False


LAYOUTS = {
    1: Layout(
        1,
        "images before title, body and topics in the chat that Qwen3-VL-Embedding was published with; images decoded whole, "
        "in RGB, and resized bicubically by Pillow 13",
    ),
    2: Layout(
        2,
        "as 1, but images that together would take more than nine tenths of the prompt become smaller, the largest first",
        shares_pixels=True,
        qwen_only=True,
    ),
    3: Layout(
        3,
        "as 2, but texts that no image parts are tokenised as one, so that their tokens are those of the published processor",
        shares_pixels=True,
        joins_texts=True,
        qwen_only=True,
    ),
}


def newest() -> Layout:
    """Return the layout of new lakes and new checkpoints."""
    return LAYOUTS[max(LAYOUTS)]


def newest_of_others() -> Layout:
    """Return the layout of new lakes of models that are not of the Qwen family."""
    others = [layout for layout in LAYOUTS.values() if not layout.qwen_only]
    return max(others, key=lambda layout: layout.number)


def find_layout(number: object, place: str) -> Layout:
    """Return the layout of that number. Raises CheckpointError for one that this release does not know, read in `place`."""
    if type(number) is not int or number not in LAYOUTS:
        raise CheckpointError(
            f"{place}: made with layout {number!r}; this release knows {known()}. Install the release that made it"
        )
    return LAYOUTS[number]


def known() -> str:
    """Return the numbers there are, for messages."""
    return ", ".join(map(str, sorted(LAYOUTS)))
