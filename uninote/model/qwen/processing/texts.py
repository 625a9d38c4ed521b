"""The texts of a note as tokens, around its images, and what of them is cut where they are too long.

A gap is what stands before, between or after images: its texts, one below the other. Of a text that is too long the end is
cut: bodies first, then the others in the order of `Kind`; of two of a kind the later one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding

from uninote.model.input.cuts import estimated
from uninote.model.qwen.processing.prompts import Kind, Part
from uninote.model.qwen.processing.tokens import CHARS_PER_TOKEN, NoteTokenizer, Tokens
from uninote.notes.encodable import encodable


@dataclass(frozen=True, slots=True)
class Texts:
    """The tokens of each gap, one more than there are images, and how many were cut, which may be an estimate."""

    gaps: list[list[int]]
    cut: int
    is_estimate: bool


def read_apart(tokenizer: NoteTokenizer, parts: Sequence[Part], room: int) -> Texts:
    """Return the texts in at most `room` tokens, each tokenised by itself, as in layouts 1 and 2."""
    read = [tokenizer.read(part.text, room) if part.text else Tokens([]) for part in parts]
    texts = [tokens.ids for tokens in read]
    before = sum(map(len, texts))
    num_texts = sum(part.kind is not Kind.IMAGE for part in parts)
    excess = before - (room - len(tokenizer.separator) * num_texts)
    for position in _order_of_cutting(parts):
        if excess <= 0:
            break
        removed = min(excess, len(texts[position]))
        texts[position] = texts[position][: len(texts[position]) - removed]
        excess -= removed
    gaps = [_separated([texts[i] for i in gap], tokenizer.separator, is_last) for gap, is_last in _gaps(parts)]
    cut = before - sum(map(len, texts)) + sum(tokens.beyond for tokens in read)
    return Texts(gaps, cut, any(tokens.is_estimate for tokens in read))


def read_joined(tokenizer: NoteTokenizer, parts: Sequence[Part], room: int) -> Texts:
    """Return the texts in at most `room` tokens, those of a gap tokenised as one text, as the published processor does.

    Where something is cut, the tokens are those of the texts that are left.
    """
    whole = [encodable(part.text) for part in parts]
    chars = max(1, room) * CHARS_PER_TOKEN
    while True:
        heads = [text[:chars] for text in whole]
        unread = sum(map(len, whole)) - sum(map(len, heads))
        before, gaps, left = _fitted(tokenizer, parts, heads, room)
        if all(shown != head or head == text for shown, head, text in zip(left, heads, whole, strict=True)):
            beyond = estimated(before, sum(map(len, heads)), unread)
            return Texts(gaps, before - sum(map(len, gaps)) + beyond, unread > 0)
        # All that was read of a long text fits: there may be room for more of it.
        chars *= 4


def _fitted(
    tokenizer: NoteTokenizer, parts: Sequence[Part], texts: list[str], room: int
) -> tuple[int, list[list[int]], list[str]]:
    """Return how many tokens all `texts` have, the tokens of each gap once they fit, and what is left of each text."""
    joined = _Joined(tokenizer, parts, texts)
    before = joined.num_tokens
    # More than once where one text is not enough, or has a token more where it ends elsewhere.
    while joined.num_tokens > room:
        texts = joined.without(joined.num_tokens - room)
        joined = _Joined(tokenizer, parts, texts)
    return before, [encoding.ids for encoding in joined.encodings], texts


class _Joined:
    """Texts of the parts of a note, tokenised gap by gap, and where in its gap each begins."""

    def __init__(self, tokenizer: NoteTokenizer, parts: Sequence[Part], texts: list[str]) -> None:
        self._parts = parts
        self._texts = texts
        separator = tokenizer.frame.separator
        self._place: dict[int, tuple[int, int]] = {}
        self.encodings: list[Encoding] = []
        for gap, is_last in _gaps(parts):
            start = 0
            for position in gap:
                self._place[position] = len(self.encodings), start
                start += len(texts[position]) + len(separator) * bool(texts[position])
            joined = separator.join(texts[position] for position in gap if texts[position])
            self.encodings.append(tokenizer.plain(joined + ("" if is_last or not joined else separator)))
        self.num_tokens = sum(map(len, self.encodings))

    def without(self, excess: int) -> list[str]:
        """Return the texts, the first in the order of cutting shorter by about `excess` tokens, if it has so many.

        One at a time, since the line break between two goes with a text that goes as a whole.
        """
        position = next(i for i in _order_of_cutting(self._parts) if self._texts[i])
        text = self._texts[position]
        gap, start = self._place[position]
        begins = [begin for begin, _ in self.encodings[gap].offsets]
        first, end = (bisect_left(begins, place) for place in (start, start + len(text)))
        # A token of a few bytes begins where its character does, so no half of one is left.
        kept = begins[end - excess] - start if excess < end - first else 0
        texts = list(self._texts)
        texts[position] = text[:kept].rstrip()
        return texts


def _gaps(parts: Sequence[Part]) -> list[tuple[list[int], bool]]:
    """Return the positions of the texts before, between and after the images, and which gap is the last."""
    gaps: list[list[int]] = [[]]
    for position, part in enumerate(parts):
        if part.kind is Kind.IMAGE:
            gaps.append([])
        else:
            gaps[-1].append(position)
    return [(gap, number == len(gaps)) for number, gap in enumerate(gaps, start=1)]


def _separated(texts: Sequence[list[int]], separator: list[int], is_last: bool) -> list[int]:
    """Return the tokens of a gap: what is left of its texts, a separator between two, and before an image."""
    ids = list[int]()
    for text in filter(None, texts):
        ids += (separator if ids else []) + text
    return ids if is_last or not ids else ids + separator


def _order_of_cutting(parts: Sequence[Part]) -> list[int]:
    return sorted(range(len(parts)), key=lambda i: (parts[i].kind.value, -i))
