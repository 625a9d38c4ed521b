"""Text of unknown origin on a terminal: what would move the cursor, colour or turn the line is shown, not obeyed."""

from __future__ import annotations

import re
import sys
from typing import TextIO

from uninote.redaction import redact

# Controls (C0, DEL, C1: ANSI's escapes begin with one), separators of lines, marks that turn the direction of a text, and
# halves of surrogate pairs, which no stream can write.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")


def visible(text: str, keep: str = "") -> str:
    """Return `text` with its control characters written as \\x1b or \\u202e; those in `keep` stay."""
    return CONTROLS.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def write(stream: TextIO, text: str) -> None:
    """Write `text`, which may hold line breaks of its own, and flush; what the stream's encoding lacks is escaped."""
    encoding = stream.encoding or "utf-8"
    stream.write(visible(text, keep="\n").encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def say(text: str) -> None:
    """Write one line for people, without secrets and control characters; stdout is kept for the summary."""
    write(sys.stderr, f"{redact(text)}\n")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
