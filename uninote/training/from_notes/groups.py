"""What near-duplicates share, and which notes belong together by any chain of it.

Groups are made before pairs are: each is capped, and lies in one split. Grouping, capping and only then pairing is IMMR's
order (arXiv 2305.03972).
"""

from __future__ import annotations

import hashlib
import unicodedata

from uninote.training.from_notes.note_rows import SourceNote

# Notes: content that more of them have is a stock picture or a phrase, not a sign of duplicates.
MOST_SHARED = 50
# Before the digest of all that duplicates share. Notes that have it in common are copies, however many there are.
WHOLE = "whole:"


def content_digests(note: SourceNote) -> list[str]:
    """Return what duplicates of a note share with it: the digests of its images, and "text:" with a hash of its text.

    Of the text only letters and digits count, in any case: spaces and punctuation are what copies change.
    """
    text = unicodedata.normalize("NFKC", f"{note.title}\n{note.body}").casefold()
    letters = "".join(filter(str.isalnum, text))
    texts = [f"text:{hashlib.sha256(letters.encode()).hexdigest()}"] if letters else []
    return sorted({image.digest for image in note.images}) + texts


def note_digests(note: SourceNote) -> list[str]:
    """Return the `content_digests` of a note and, where it has any, WHOLE with a hash of them together."""
    found = content_digests(note)
    return [*found, WHOLE + hashlib.sha256("\n".join(found).encode()).hexdigest()] if found else []
