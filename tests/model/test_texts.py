"""How the texts of a note become tokens: one by one in former layouts, joined since layout 3; and what is cut."""

import hashlib
import random
import time
from dataclasses import replace

import pytest
from drawn_notes import draw_note
from restored import picture_of
from tokenizers import Tokenizer

from uninote.demo.workspace import demo_checkpoint
from uninote.model.identity.frames import FRAME
from uninote.model.identity.layouts import LAYOUTS
from uninote.model.qwen.processing import processor
from uninote.model.qwen.processing.prompts import Kind, Part, parts_of
from uninote.model.qwen.processing.texts import read_apart, read_joined
from uninote.model.qwen.processing.tokens import NoteTokenizer

# Tokens and pixels of 450 drawn notes, as the releases that brought these layouts made them. The vocabulary is the demo's.
FORMER = {
    1: "17f09ebb36c57907a0d2e8641be82a416666a6b6b4bab164dcd096a1a1fa73ba",
    2: "1c0bce40d74836e690a1a85cbfaaee1f6944dafad094abba29a21b38d8acd925",
}


def limited(layout, **limits):
    own = processor.NoteProcessor.from_pretrained(demo_checkpoint(), LAYOUTS[layout])
    return processor.NoteProcessor(own.tokenizer, own.pixels, replace(own.limits, **limits), LAYOUTS[layout])


def digest_of(layout):
    digest = hashlib.sha256()
    for max_tokens in (45, 60, 512):
        drawing = random.Random(max_tokens)
        processor = limited(layout, max_tokens=max_tokens)
        for _ in range(150):
            made = processor.prepare(*draw_note(drawing, drawing.choice((12, 80))))
            digest.update(made.input_ids.tobytes())
            for image in made.images:
                digest.update(picture_of(image).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("layout", FORMER)
def test_former_layouts_make_what_they_made(layout):
    assert digest_of(layout) == FORMER[layout]


@pytest.fixture(scope="module")
def tokenizer(lines_folder):
    return NoteTokenizer((lines_folder / "tokenizer.json").read_text(), FRAME)


@pytest.fixture(scope="module")
def decode(lines_folder):
    return Tokenizer.from_file(str(lines_folder / "tokenizer.json")).decode


def test_punctuation_and_the_line_break_after_it_are_one_token(tokenizer, decode):
    parts = [Part(Kind.TITLE, "Pork!"), Part(Kind.BODY, "Bread.")]
    apart, joined = read_apart(tokenizer, parts, 99).gaps, read_joined(tokenizer, parts, 99).gaps
    assert [decode(ids) for ids in (*apart, *joined)] == ["Pork!\nBread."] * 2
    assert joined == [tokenizer.encode("Pork!\nBread.", 99)] != apart


@pytest.mark.parametrize("most", [12, 80, 600])
def test_what_is_left_is_tokenised_as_a_text_of_its_own(tokenizer, decode, most):
    """So the published processor would read cut notes alike. No more room is left than an emoji takes, or blanks."""
    drawing = random.Random(most)
    for room in [*range(12), 20, 33, 50, 100, 200] * 3:
        note, images = draw_note(drawing, most)
        parts = parts_of(note, len(images))
        texts, whole = read_joined(tokenizer, parts, room), read_joined(tokenizer, parts, 10**6)
        num_tokens = sum(map(len, texts.gaps))
        assert len(texts.gaps) == len(images) + 1
        assert min(room - 12, sum(map(len, whole.gaps))) <= num_tokens <= room
        for gap in texts.gaps:
            assert "\ufffd" not in decode(gap)
            assert tokenizer.encode(decode(gap), 10**6) == gap
        if not texts.is_estimate:
            assert texts.cut == sum(map(len, whole.gaps)) - num_tokens


def test_texts_are_cut_by_kind_from_their_end(tokenizer, decode):
    """Bodies, then texts of images from the last on, topics, titles; what stands for an image at the very last."""
    parts = [
        Part(Kind.ABOUT, "described. " * 3), Part(Kind.IMAGE), Part(Kind.OCR, "first! " * 4), Part(Kind.IMAGE),
        Part(Kind.OCR, "second? " * 4), Part(Kind.TITLE, "title... " * 4), Part(Kind.BODY, "body, " * 4),
        Part(Kind.TOPICS, "#topic " * 4),
    ]  # fmt: skip
    words = ["body", "second", "first", "topic", "title", "described"]
    whole = read_joined(tokenizer, parts, 10**6)
    full = {word: "".join(map(decode, whole.gaps)).count(word) for word in words}
    for room in range(sum(map(len, whole.gaps)), -1, -1):
        shown = "".join(map(decode, read_joined(tokenizer, parts, room).gaps))
        counts = [shown.count(word) for word in words]
        partial = next((place for place, word in enumerate(words) if counts[place]), len(words))
        assert counts[partial + 1 :] == [full[word] for word in words[partial + 1 :]]
    assert shown == ""


@pytest.mark.parametrize("unit", ["a", "word ", " ", "红烧肉", "\n", "!", "\ud800", "a\u0301", ".\n"])
def test_a_megabyte_is_read_only_as_far_as_needed(tokenizer, unit):
    parts = [
        Part(Kind.TITLE, "title"),
        Part(Kind.BODY, "x" + unit * (10**6 // len(unit)) + "x"),
        Part(Kind.TOPICS, "#t"),
    ]
    started = time.perf_counter()
    texts = read_joined(tokenizer, parts, 500)
    assert time.perf_counter() - started < 2
    assert len(texts.gaps[0]) <= 500
    assert texts.is_estimate
    assert texts.cut > 1000
