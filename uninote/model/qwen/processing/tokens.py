"""Token ids of the prompt's frame and of what users wrote, which is never taken for markup."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from uninote.model.identity.folders import CheckpointError
from uninote.model.identity.frames import Frame
from uninote.model.input.cuts import estimated
from uninote.model.qwen.processing.prompts import IMAGE_PAD, PADDING, VISION_END, VISION_START
from uninote.notes.encodable import encodable

# How much text to read first for each token that fits; more is read when that was too little.
CHARS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text that fit, and how many it has `beyond`, which may be an estimate."""

    ids: list[int]
    beyond: int = 0
    is_estimate: bool = False


class NoteTokenizer:
    """The two readings of one tokenizer: markup for the frame, plain text for content.

    `closing` holds what the tokenizer itself appends to every input, where a checkpoint's does.
    """

    def __init__(self, definition: str, frame: Frame) -> None:
        """Take the content of a tokenizer.json, and what stands around a note.

        Raises CheckpointError when the tokenizer is not one of the Qwen family.
        """
        self.frame = frame
        markup = _parse(definition)
        # Texts are read by a tokenizer without markup: what looks like a special token in a note is text.
        self._plain = _parse(json.dumps(_without_markup(json.loads(definition))))
        self.vision_start = _id_of(markup, VISION_START)
        self.image_pad = _id_of(markup, IMAGE_PAD)
        self.vision_end = _id_of(markup, VISION_END)
        self.padding = _id_of(markup, PADDING)
        self.opening: list[int] = markup.encode(frame.opening, add_special_tokens=False).ids
        self.closing: list[int] = markup.encode(frame.closing, add_special_tokens=True).ids
        self.separator: list[int] = markup.encode(frame.separator, add_special_tokens=False).ids
        self.vocabulary: int = markup.get_vocab_size(with_added_tokens=True)

    def plain(self, text: str) -> Encoding:
        """Return all tokens of `text`, which UTF-8 can hold, as plain text, with the characters that each stands for."""
        return self._plain.encode(text, add_special_tokens=False)

    def encode(self, text: str, at_most: int) -> list[int]:
        """Return up to `at_most` leading tokens of `text` as plain text."""
        return self.read(text, at_most).ids

    def read(self, text: str, at_most: int) -> Tokens:
        """Return up to `at_most` leading tokens of `text` as plain text, and how many it has beyond.

        Of a long text only the head is read, and the number beyond is estimated from it.
        """
        chars = at_most * CHARS_PER_TOKEN
        while True:
            ids: list[int] = self._plain.encode(encodable(text[:chars]), add_special_tokens=False).ids
            unread = max(0, len(text) - chars)
            if len(ids) >= at_most or not unread:
                beyond = max(0, len(ids) - at_most) + estimated(len(ids), chars, unread)
                return Tokens(ids[:at_most], beyond, unread > 0)
            chars *= 4


def _parse(definition: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(definition)
    except Exception as error:
        # The library raises bare Exception.
        raise CheckpointError(f"tokenizer.json: not a tokenizer: {error}") from error


def _without_markup(values: dict[str, object]) -> dict[str, object]:
    # encode_special_tokens would do for the special ones, but not for other added tokens, such as <tool_call>
    return values | {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}


def _id_of(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise CheckpointError(f"tokenizer.json: has no token {token}; it must be a tokenizer of the Qwen3-VL family")
    return int(found)
