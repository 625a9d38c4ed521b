"""Lists that were written as text, and names that hold the very characters by which texts are split."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable
from typing import Any

from uninote.notes.ingest.times import NO_VALUE

# ASCII blanks only: other blanks belong to the text.
TOPIC_SEPARATORS = re.compile(r"[,;|#，、；\s]+", re.ASCII)
IMAGE_SEPARATORS = re.compile(r"\s*[;|,]\s*", re.ASCII)
_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_NUMPY = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]", re.DOTALL)
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|data:|inline:)")
_EXTENSION = re.compile(r".*\.\w{2,5}", re.DOTALL | re.ASCII)

Exists = Callable[[str], bool]


def listed(text: str) -> list[Any] | None:
    """Return the entries of a JSON list, a Python list or a numpy array that was printed; None where `text` is no list."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    # numpy prints no commas, and to Python strings side by side are one string.
    if _NUMPY.fullmatch(text):
        return list(map(ast.literal_eval, re.findall(_QUOTED, text, re.DOTALL)))
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else None
    return None


def split_topics(text: str) -> list[Any]:
    """Return the topics of one text: the entries of a list, or what stands between separators."""
    if text.strip() in NO_VALUE:
        return []
    entries = listed(text)
    if entries is not None:
        return entries
    # Java prints lists as [street food, soup], without quotes.
    if text.startswith("[") and text.rstrip().endswith("]"):
        return text.strip()[1:-1].split(",")
    return TOPIC_SEPARATORS.split(text)


def split_images(text: str, exists: Exists) -> list[Any]:
    """Return the images of one text. A name that `exists` is one image, whatever characters it has."""
    if not text.strip():
        return []
    if exists(text):
        return [text]
    if text.strip() in NO_VALUE:
        return []
    entries = listed(text)
    if entries is not None:
        return entries
    return _names(text, exists)


def _names(text: str, exists: Exists) -> list[str]:
    """Split at separators, and put together again what is one URI, or names a file only together."""
    parts = IMAGE_SEPARATORS.split(text)
    if len(parts) == 1 or all(map(exists, parts)):
        return parts
    starts = [0]
    ends = []
    for separator in IMAGE_SEPARATORS.finditer(text):
        ends.append(separator.start())
        starts.append(separator.end())
    ends.append(len(text))
    found = []
    place = 0
    while place < len(parts):
        # Each of these is one more part than the one before it.
        names = [text[starts[place] : end] for end in ends[place:]]
        count = _parts_of_uri(parts[place:], names) or _parts_of_file(parts[place:], names, exists)
        found.append(names[count - 1])
        place += count
    return found


def _parts_of_uri(parts: list[str], names: list[str]) -> int:
    """Return how many of the first parts make one URI, 0 where none begins: up to its extension, or to the next URI."""
    if not _URI.match(parts[0]):
        return 0
    until = _next_uri(parts)
    if parts[0].startswith("data:"):
        return until
    for n, name in enumerate(names[:until]):
        if _EXTENSION.fullmatch(name.rpartition("/")[2]):
            return n + 1
    return 1


def _parts_of_file(parts: list[str], names: list[str], exists: Exists) -> int:
    """Return how many of the first parts name one file: one that exists, or else one with an extension, if any has one."""
    until = _next_uri(parts)
    for n in range(until, 0, -1):
        if exists(names[n - 1]):
            return n
    for n, part in enumerate(parts[:until]):
        if _EXTENSION.fullmatch(part):
            return n + 1
    return 1


def _next_uri(parts: list[str]) -> int:
    """Return the place of the first part, but for part 0, with which a URI begins; how many there are if none does."""
    for n in range(1, len(parts)):
        if _URI.match(parts[n]):
            return n
    return len(parts)


def file_in(folder: str | None) -> Exists:
    """Return whether a name is that of a file in `folder`; without a folder, none is."""

    def exists(name: str) -> bool:
        return folder is not None and not _URI.match(name) and os.path.isfile(os.path.join(folder, name))

    return exists
