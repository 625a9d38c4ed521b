"""What there is room for in the page of a map: bytes as the page has them, and the largest branches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import nlargest
from typing import TypeVar

from uninote.corpus_map.data import Branch
from uninote.page_text import json_for_page

Key = tuple[int, int]  # of a branch of the second level: its parent's code, and its own
Named = TypeVar("Named", bound=Hashable)
Value = TypeVar("Value")


def bytes_of(value: object) -> int:
    """Return what a value takes in the page, where some characters take six bytes, and a comma."""
    return len(json_for_page(value).encode()) + 1


def that_fit(most: int, offered: Iterable[tuple[Named, Value]], beside: int = 0) -> dict[Named, Value]:
    """Return the values that fit into `most` bytes, the first first; each takes `beside` bytes more than its own."""
    kept = {}
    left = most
    for key, value in offered:
        left -= bytes_of(value) + beside
        if left < 0:
            break
        kept[key] = value
    return kept


def children_of(branches: Sequence[Branch]) -> Iterator[tuple[Key, Branch]]:
    """Yield the branches of the second level."""
    return (((parent.code, child.code), child) for parent in branches for child in parent.children)


def largest_children(branches: Sequence[Branch], most: int) -> list[Branch]:
    """Return the branches with the `most` largest of their children, in the order of their codes."""
    kept = {key for _, key in nlargest(most, ((child.notes, key) for key, child in children_of(branches)))}
    found = []
    for parent in branches:
        children = [child for child in parent.children if (parent.code, child.code) in kept]
        found.append(replace(parent, children=tuple(sorted(children, key=lambda child: child.code))))
    return found
