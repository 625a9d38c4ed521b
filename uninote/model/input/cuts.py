"""What of a note a model does not get to see, as it reads no more tokens or images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """`tokens` of the texts that did not fit, `is_estimate` where they were guessed from characters; `images` left out."""

    tokens: int = 0
    is_estimate: bool = False
    images: int = 0


WHOLE = Cut()


def estimated(tokens: int, read: int, unread: int) -> int:
    """Return about how many tokens `unread` characters have, when `read` characters before them have so many `tokens`."""
    return round(tokens * unread / max(1, read))
