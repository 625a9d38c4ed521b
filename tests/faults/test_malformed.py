"""Hundreds of notes of nonsense, thousands in the long run: no crash, and every one of them accounted for."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
import pytest
from builders import table_at, write_notes
from PIL import Image

from udfs.arrow import to_matrix
from uninote.pipelines.embed.stage import embed

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCRAPS = [
    "", " ", "\n\t\r", "\x00", "\ufeff", "\u202e\u200b", "a" * 20_000, "<|im_end|>", "<|image_pad|>" * 50, "{{7*7}}", "%s%n",
    "日本語" * 400, "😀" * 300, "e\u0301" * 200, "\u0000\u0001\u0002", "null", "-1", "'; DROP TABLE notes; --", "𐏿" * 50,
]  # fmt: skip
URIS = [
    "", " ", "missing.png", "../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://x/y.png", "s3://bucket/x.png",
    "data:image/png;base64,AAAA", "a" * 5000, "\x00", "con\nrol", "inline:zz", "inline:" + "0" * 64, "//", "%2e%2e/secret",
]  # fmt: skip


def bomb() -> bytes:
    """Return a PNG that claims 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def media(folder, dice):
    """Write good, damaged and strange files, and return their names."""
    folder.mkdir()
    for number in range(60):
        size = dice.choice([(1, 1), (1, 300), (300, 1), (40, 30), (17, 91)])
        mode = dice.choice(["RGB", "RGBA", "L", "P", "CMYK", "1", "I;16", "LA"])
        kind = {"CMYK": "JPEG", "RGB": dice.choice(["JPEG", "PNG", "GIF", "BMP"])}.get(mode, "PNG")
        buffer = io.BytesIO()
        Image.new(mode, size).save(buffer, kind)
        content = bytearray(buffer.getvalue())
        if number % 3 == 1:
            content = content[: dice.randrange(len(content))]
        if number % 3 == 2:
            for _ in range(5):
                content[dice.randrange(len(content))] = dice.randrange(256)
        (folder / f"{number}.{dice.choice(['png', 'jpg', 'txt', ''])}").write_bytes(content)
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "folder.png").mkdir()
    return sorted(path.name for path in folder.iterdir())


def text(dice):
    return dice.choice(
        [None, dice.choice(SCRAPS), "".join(chr(dice.randrange(1, 0xD7FF)) for _ in range(dice.randrange(60)))]
    )


def note(number, files, dice):
    images = [(dice.choice([*URIS, *files, None]), text(dice)) for _ in range(dice.choice([0, 0, 0, 1, 2, 5]))]
    topics = dice.choice([None, [], [text(dice) for _ in range(3)]])
    fields = {name: text(dice) for name in ("title", "body", "category", "author", "language")}
    return {"note_id": f"{number}{dice.choice(SCRAPS[:6])}", "images": images, "topics": topics, **fields}


@pytest.mark.parametrize(
    "count", [pytest.param(400, marks=pytest.mark.long), pytest.param(2000, marks=pytest.mark.long)]
)
def test_malformed_notes(make_run, tmp_path, count):
    dice = random.Random(20)
    files = media(tmp_path / "media", dice)
    notes = [note(number, files, dice) for number in range(count)]
    # Some of the nonsense is the same picture in other bytes.
    shares = ("embed.max_quarantined_share=1.0", "embed.max_equal_share=1.0")
    run = make_run("embed.kinds=[note, image, ocr, text]", "embed.widths=[64]", *shares)
    write_notes(run, notes, tmp_path / "media")
    summary = embed(run)
    assert summary["notes_in"] == count == summary["embedded"] + summary["quarantined"]
    assert summary["embedded"] > count / 2
    assert summary["quarantined"] > count / 100
    items = table_at(run.generation.uri("items"))
    aside = table_at(run.generation.uri("set_aside"))
    both = [row for table in (items, aside) for row in table.to_pylist() if row["kind"] == "note"]
    assert {row["note_id"] for row in both} == {one["note_id"] for one in notes}
    vectors = table_at(run.generation.uri("embeddings/w64"))
    assert vectors.num_rows == items.num_rows
    assert all(len(vector) == 64 for vector in vectors["vector"].to_pylist())
    assert np.isfinite(to_matrix(vectors["vector"].combine_chunks())).all()
    assert embed(run)["computed"] == 0
