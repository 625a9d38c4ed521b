"""How many values a JSON file holds: the account by which a reader of its values is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from uninote.notes.ingest.formats.text_files import TextSource, blocks

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{},]|[^\s"\[\]{},]+', re.DOTALL)
_OPEN = {"[", "{"}
_CLOSE = {"]", "}"}


def count_values(uri: str, source: TextSource) -> int:
    """Count the values of a file, and of its outermost arrays, by brackets and commas alone: the reader's account.

    Nothing is parsed: what stands between brackets may be anything. Of a value that spans pieces, only its depth is known.
    """
    total = depth = 0
    in_array = False
    rest = ""
    for block in _with_end(blocks(uri, source)):
        text = rest + block
        rest = ""
        for match in _TOKEN.finditer(text):
            token = match[0]
            if match.end() == len(text) and block and token[0] not in "[]{},":
                # The token may go on in the next piece.
                rest = token
                break
            outer = depth == (1 if in_array else 0)
            if token in _OPEN:
                if depth == 0 and token == "[":
                    in_array = True
                elif outer:
                    total += 1
                depth += 1
            elif token in _CLOSE:
                depth -= 1
                in_array = in_array and depth > 0
            elif outer and token != ",":
                total += 1
    return total


def _with_end(parts: Iterator[str]) -> Iterator[str]:
    yield from parts
    yield ""
