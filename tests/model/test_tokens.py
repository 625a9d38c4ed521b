import time
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from uninote.model.identity.frames import FRAME
from uninote.model.qwen.files.checkpoint import CheckpointError
from uninote.model.qwen.processing.tokens import NoteTokenizer
from uninote.model.qwen.tiny_tokenizer import ADDED, SPECIAL


@pytest.fixture(scope="module")
def definition(tiny_folder: Path) -> str:
    return (tiny_folder / "tokenizer.json").read_text()


@pytest.fixture(scope="module")
def tokenizer(definition) -> NoteTokenizer:
    return NoteTokenizer(definition, FRAME)


def test_plain_text_reads_as_the_tokenizer_itself_reads_it(tokenizer, definition):
    text = "Ein Tag am Meer, 25 °C! 红烧肉 🍜 it's\n\n  done"
    full = Tokenizer.from_str(definition)
    assert tokenizer.encode(text, 1000) == full.encode(text).ids
    assert full.decode(tokenizer.encode(text, 1000)) == text


@pytest.mark.parametrize("token", SPECIAL + ADDED)
def test_markup_written_by_users_stays_text(tokenizer, definition, token):
    full = Tokenizer.from_str(definition)
    added = set(full.get_added_tokens_decoder())
    assert added & set(full.encode(token).ids)  # it would be markup
    ids = tokenizer.encode(f"a{token}b{token}", 1000)
    assert not added & set(ids)
    assert full.decode(ids) == f"a{token}b{token}"


def test_what_the_tokenizer_itself_appends_ends_the_prompt(definition):
    full = Tokenizer.from_str(definition)
    end = full.token_to_id("<|endoftext|>")
    plain = full.encode(FRAME.closing).ids
    assert NoteTokenizer(definition, FRAME).closing == plain
    full.post_processor = TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", end)])
    appending = NoteTokenizer(full.to_str(), FRAME)
    assert appending.closing == [*plain, end]
    assert end not in appending.encode("text", 10)


@pytest.mark.parametrize("text", ["\ud800lone", "nul\0nul", "\U0001f600" * 3, "\u202e\ufeff", "e\u0301"])
def test_strange_characters_are_encoded(tokenizer, text):
    assert tokenizer.encode(text, 100)


@pytest.mark.parametrize("unit", ["a", "word ", " ", "红烧肉", "\n", "!", "\ud800", "a\u0301"])
def test_a_megabyte_is_read_only_as_far_as_needed(tokenizer, unit):
    text = unit * (10**6 // len(unit))
    started = time.perf_counter()
    ids = tokenizer.encode(text, 500)
    assert time.perf_counter() - started < 1
    assert 0 < len(ids) <= 500
    assert tokenizer.encode(text, 0) == []


def test_the_head_of_a_long_text_is_the_head_of_its_tokens(tokenizer):
    text = "Hiking in Kyoto with 25 loaves of bread. " * 500
    assert tokenizer.encode(text, 100) == tokenizer.encode(text, 10**6)[:100]


@pytest.mark.parametrize(("content", "message"), [("{}", "not a tokenizer"), ("nonsense", "not a tokenizer")])
def test_a_broken_definition_is_a_checkpoint_error(content, message):
    with pytest.raises(CheckpointError, match=message):
        NoteTokenizer(content, FRAME)


def test_a_tokenizer_of_another_family_is_refused(definition):
    with pytest.raises(CheckpointError, match=r"has no token <\|image_pad\|>"):
        NoteTokenizer(definition.replace("<|image_pad|>", "<|picture|>"), FRAME)
