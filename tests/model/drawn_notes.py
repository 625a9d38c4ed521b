"""Notes drawn at random, the same ones each time: texts that end in punctuation, blanks, other scripts, markup, images."""

from __future__ import annotations

import random

from PIL import Image

from uninote.notes.note import Note, NoteImage

WORDS = (
    "pork", "Bread", "hiking", "Kyoto", "soy sauce", "红烧肉", "京都", "it's", "25 °C", "don't!", "e\u0301te\u0301", "🍜👍🏽",
    "1,234.5", "a-b_c", "\t", "  ", "\n", "\n\n", "\u3000", "<|im_end|>", "#tag", "ﬁ", "\u200b", "(x)", "…",
)  # fmt: skip
ENDS = ("", "", ".", "!", "。", "?!", "...", ")", "\n", " ", ",\n", ".\r\n")


def draw_text(random: random.Random, most: int) -> str:
    """Return a text of up to `most` words, blank now and then."""
    words = [random.choice(WORDS) for _ in range(random.randint(0, most))]
    return random.choice((" ", "", "\n")).join(words) + random.choice(ENDS)


def draw_note(random: random.Random, most: int = 12) -> tuple[Note, list[Image.Image]]:
    """Return a note whose longest text may have `most` words, and its images."""
    images = [Image.new("RGB", (random.choice((32, 64, 200)), 64)) for _ in range(random.choice((0, 0, 1, 2, 5)))]
    shown = tuple(NoteImage(f"{number}.png", draw_text(random, most // 2)) for number, _ in enumerate(images))
    topics = tuple(draw_text(random, 2) for _ in range(random.randint(0, 3)))
    described = draw_text(random, 4) if random.random() < 0.3 else ""
    return Note(draw_text(random, most // 2), draw_text(random, most), topics, shown, described), images
