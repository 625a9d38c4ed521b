"""Random streams by name, so that a change in one part of the corpus leaves the others as they were."""

from __future__ import annotations

import random


def dice(*name: str | int) -> random.Random:
    """Give the stream of this name. Python seeds from text by SHA-512, never by `hash()`."""
    return random.Random("/".join(str(part) for part in name))


def chance(rng: random.Random, share: float) -> bool:
    """Say yes in `share` of the throws."""
    return rng.random() < share
