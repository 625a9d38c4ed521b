"""Texts into what a sentence-transformers model takes: tokenised ahead, in any thread, where that gives the same.

Tokenising here, not in the library, is worth its code: exact lengths make fuller batches, and long texts are read only as
far as the model sees. MiniLM on one core took 4.5 s of processor time for 512 paragraphs of 117 characters, 6.5 s by the
library's own path, vectors included; 48 texts of 4,800 characters took 2.8 and 3.0 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from uninote.model.input.cuts import WHOLE, Cut, estimated
from uninote.notes.encodable import encodable

CHARS_PER_TOKEN = 8  # how much of a long text to read first, for each token that fits
# So near to where a text was cut, its tokens may be others than the full text's.
SEAM_CHARS = 128
LONGEST = 1 << 20  # tokens; tokenizers without a limit of their own say 1e30
PROBES = ("A probe, with: Ümläute & 红烧肉 #1!", "many words " * 40)


class Inputs(Protocol):
    """Prepares texts and collates them. `prepare` may be called in several threads at once."""

    def prepare(self, text: str) -> Any:
        """Return what waits for `collate`, with num_tokens and nbytes."""

    def pieces(self, text: str, most: int) -> list[Any]:
        """Return the text in up to `most` pieces that follow each other, each as `prepare` returns one."""

    def collate(self, prepared: Sequence[Any]) -> dict[str, Any]:
        """Return the features of a batch, as the model's first module takes them."""


@dataclass(frozen=True, slots=True)
class PreparedTokens:
    """`input_ids` is int32 (num_tokens,)."""

    input_ids: np.ndarray
    cut: Cut = WHOLE

    @property
    def num_tokens(self) -> int:
        """The tokens of the text, special ones included."""
        return len(self.input_ids)

    @property
    def nbytes(self) -> int:
        """The memory that the text holds while it waits."""
        return self.input_ids.nbytes


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text that only the model's own tokenisation can read; `num_tokens` is an estimate."""

    text: str
    num_tokens: int
    cut: Cut = WHOLE

    @property
    def nbytes(self) -> int:
        """The memory that the text holds while it waits, roughly."""
        return len(self.text)


class TokenInputs:
    """Tokenises each text once, with a tokenizer of its own whose state never changes."""

    def __init__(self, transformer: Any, prompt: str, features: Mapping[str, Any]) -> None:
        """Take the first module, and the `features` it made of some text: constants of it go into every batch."""
        tokenizer = transformer.tokenizer
        self._prompt = prompt
        self._limit = min(transformer.max_seq_length, LONGEST)
        self._tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._limit, direction=tokenizer.truncation_side)
        self._is_cut_at_end = tokenizer.truncation_side == "right"
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._padding = tokenizer.pad_token_id
        self._is_padded_left = tokenizer.padding_side == "left"
        self._has_types = "token_type_ids" in features
        self._constants = {}
        for name, value in features.items():
            if not isinstance(value, Tensor):
                self._constants[name] = value

    def prepare(self, text: str) -> PreparedTokens:
        """Tokenise one text, cut to what the model reads. Where nothing is left of it, padding stands for it."""
        ids, cut = self._encode(self._prompt + encodable(text))
        return PreparedTokens(
            np.array(ids or [self._padding], dtype=np.int32), cut
        )  # no model takes a batch without tokens

    def pieces(self, text: str, most: int) -> list[PreparedTokens]:
        """Tokenise one text in up to `most` pieces; the prompt opens the first. What is cut is told by the last."""
        chars = most * self._limit * CHARS_PER_TOKEN
        found = self._tokenizer.encode_batch_fast([self._prompt + encodable(text[:chars])])[0]
        windows = [found, *found.overflowing]
        pieces = []
        for window in windows[:most]:
            pieces.append(PreparedTokens(np.array(window.ids or [self._padding], dtype=np.int32)))
        beyond = self._without_special(windows[most:])
        unread = estimated(len(found.ids) + self._beyond(found), chars, max(0, len(text) - chars))
        pieces[-1] = replace(pieces[-1], cut=Cut(beyond + unread, is_estimate=unread > 0))
        return pieces

    def collate(self, prepared: Sequence[PreparedTokens]) -> dict[str, Any]:
        """Pad to the longest of the batch."""
        lengths = [item.num_tokens for item in prepared]
        shape = len(lengths), max(lengths)
        input_ids = np.full(shape, self._padding, dtype=np.int64)
        attended = np.zeros(shape, dtype=np.int64)
        for row, item in enumerate(prepared):
            start = shape[1] - lengths[row] if self._is_padded_left else 0
            place = slice(start, start + lengths[row])
            input_ids[row, place] = item.input_ids
            attended[row, place] = 1
        features = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(attended)}
        if self._has_types:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        return features | self._constants

    def _encode(self, text: str) -> tuple[list[int], Cut]:
        """Of a long text, read only as far as needed; the tokens are those of the full text, cut.

        How many were cut is then estimated, from the number of tokens in what was read.
        """
        chars = self._limit * CHARS_PER_TOKEN + SEAM_CHARS
        while self._is_cut_at_end and chars < len(text):
            found = self._tokenizer.encode(text[:chars])
            is_full = len(found.ids) >= self._limit
            if is_full and max(end for _, end in found.offsets) + SEAM_CHARS <= chars:
                beyond = self._beyond(found)
                unread = estimated(self._limit + beyond, chars, len(text) - chars)
                return list(found.ids), Cut(beyond + unread, is_estimate=True)
            chars *= 4
        # Unlike encode, this releases Python's lock while it computes, so that other threads run.
        found = self._tokenizer.encode_batch_fast([text])[0]
        return list(found.ids), Cut(self._beyond(found))

    def _beyond(self, found: Encoding) -> int:
        """Return how many tokens were cut: those of further windows, without the special ones that each is given."""
        return self._without_special(found.overflowing)

    def _without_special(self, windows: Sequence[Encoding]) -> int:
        return sum(len(one.ids) - self._special for one in windows)


class LibraryInputs:
    """Leaves it all to the model's first module, in the thread that computes: for whatever is not a plain tokenizer."""

    def __init__(self, first: Any, prompt: str) -> None:
        self._first = first
        self._prompt = prompt
        self._limit = min(getattr(first, "max_seq_length", None) or LONGEST, LONGEST)

    def prepare(self, text: str) -> PreparedText:
        """Keep the text, with a guess at its length."""
        guess = 2 + len(text) // 2
        return PreparedText(encodable(text), int(min(self._limit, guess)), Cut(max(0, int(guess - self._limit)), True))

    def pieces(self, text: str, most: int) -> list[PreparedText]:
        """Keep the text as one piece: where it is cut is the library's affair."""
        return [self.prepare(text)]

    def collate(self, prepared: Sequence[PreparedText]) -> dict[str, Any]:
        """Preprocess the batch as the library does."""
        return dict(self._first.preprocess([item.text for item in prepared], prompt=self._prompt or None))


def make_inputs(first: Any, prompt: str) -> Inputs:
    """Return TokenInputs for the model's first module if on probes they equal what the library itself makes."""
    library = LibraryInputs(first, prompt)
    texts = [*PROBES, PROBES[1] * max(1, min(getattr(first, "max_seq_length", None) or 1, 8192) // 40)]
    expected = library.collate(list(map(library.prepare, texts)))
    try:
        tokens = TokenInputs(first, prompt, expected)
        found = tokens.collate(list(map(tokens.prepare, texts)))
    except (AttributeError, TypeError, ValueError):
        # The model has no tokenizer of that sort, or it has no padding token.
        return library
    return tokens if _is_equal(found, expected) else library


def _is_equal(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    def same(name: str) -> bool:
        one = found[name]
        other = expected[name]
        return torch.equal(one, other) if isinstance(other, Tensor) else bool(one == other)

    return set(found) == set(expected) and all(map(same, expected))
