"""Maps as a lake of some size would give."""

from __future__ import annotations

import io
import random

from PIL import Image

from uninote.corpus_map.changes import Totals, change_of
from uninote.corpus_map.data import Branch, CorpusMap, TypicalNote

WORDS = "coffee latte beans 咖啡 手冲 tomato beef 番茄 牛腩 recipe kyoto autumn travel 杭州 旅行 cat kitten 猫咪 换粮 climbing"
WORDS += " chalk 攀岩 ラーメン 温泉 desk lamp 书桌 garden roses 多肉 guitar chords 吉他 makeup palette 口红"
VOCABULARY = WORDS.split()


def picture(number: int) -> bytes:
    """Return a small JPEG of one colour and a stripe."""
    image = Image.new("RGB", (72, 72), ((number * 37) % 256, (number * 91) % 256, 140))
    image.paste((250, 240, 220), (10, number % 50, 60, number % 50 + 14))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def make_map(first: int, second: int, notes: int, seed: int = 0) -> CorpusMap:
    """Return a map of `first` branches with `second` below each, whose sizes fall as those of real clusters do."""
    draw = random.Random(seed)
    weights = [draw.paretovariate(1.1) for _ in range(first * second)]
    scale = notes / sum(weights)
    sizes = [max(1, round(weight * scale)) for weight in weights]
    totals = Totals(sum(sizes), sum(sizes))
    branches = []
    for code in range(first):
        mine = sizes[code * second : (code + 1) * second]
        children = tuple(_child(draw, number, size, totals) for number, size in enumerate(mine))
        typical = tuple(
            TypicalNote(f"note-{code}-{n}", " ".join(draw.sample(VOCABULARY, 6)), picture(code)) for n in range(4)
        )
        size = sum(mine)
        branches.append(
            Branch(
                code,
                size,
                tuple(draw.sample(VOCABULARY, 5)),
                typical,
                degraded=size // 90,
                truncated=size // (5 + code % 40),
                languages=(("zh", size // 2), ("en", size // 3)),
                place=(draw.random(), draw.random()),
                change=change_of(size, round(size * draw.choice((0.5, 1, 1, 1))), totals),
                children=children,
            )
        )
    return CorpusMap(
        "/data/lake",
        "12",
        "3f9c2a7be1d04458",
        "2026-11-28 03:00:00 UTC",
        totals.now,
        17,
        tuple(branches),
        "Release 11.",
        0.31,
    )


def _child(draw: random.Random, code: int, size: int, totals: Totals) -> Branch:
    before = 0 if draw.random() < 0.01 else size
    typical = (TypicalNote(f"n{draw.random():.9f}", " ".join(draw.sample(VOCABULARY, 5))),)
    label = tuple(draw.sample(VOCABULARY, 4))
    return Branch(code, size, label, typical, truncated=size // 9, change=change_of(size, before, totals))
