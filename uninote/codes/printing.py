"""How codes are written for people and tokenizers: `<a_12><b_7><c_201><d_0>`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from uninote.errors import UninoteError

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"<([a-z])_(0|[1-9]\d*)>")


class CodesTextError(UninoteError):
    """A text does not print codes."""


def token(level: int, code: int) -> str:
    """Return what one code prints as; `level` counts from 0."""
    return f"<{LETTERS[level]}_{code}>"


def print_codes(codes: Sequence[int]) -> str:
    """Return what codes print as, one token for each level from the first on."""
    return "".join(token(level, code) for level, code in enumerate(codes))


def parse_codes(text: str) -> tuple[int, ...]:
    """Return the codes that print as `text`. Raises CodesTextError where none do."""
    codes = tuple(int(found.group(2)) for found in _TOKEN.finditer(text))
    if not codes or print_codes(codes) != text:
        raise CodesTextError(
            f"{text!r} does not print codes; they look like <a_12><b_7><c_201><d_0>, a level after another"
        )
    return codes
