"""Texts that UTF-8 can hold: what sources give may have halves of surrogate pairs, as UTF-16 does."""

from __future__ import annotations


def encodable(text: str) -> str:
    """Return `text` with half characters (lone surrogates, which no UTF-8 file can hold) replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
