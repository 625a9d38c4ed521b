"""Random streams by name, so that a change in one part of the corpus leaves the others as they were."""

from __future__ import annotations

import random


def random_stream(*name: str | int) -> random.Random:
    """Return the stream of this name. Python seeds it from the text by SHA-512, so it is the same in every process."""
    return random.Random("/".join(map(str, name)))


def chance(rng: random.Random, share: float) -> bool:
    """Return true with probability `share`."""
    return rng.random() < share
