"""Makes a golden lake: `python tests/golden/make_lake.py <format>` writes lake-<format>.tar.xz beside this file.

Run it once for each format of a lake, with the code that first wrote that format, and never again: what it wrote is what
users have. The archive holds a checkpoint, a source of notes with images, the lake after a first run and one night, and
what its tables said then. The checkpoint of format 1 is a Qwen3-VL; later ones hash features, and take no room.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from uninote.config.loading import load_config
from uninote.model.qwen import tiny
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.session import open_session
from uninote.pipelines.stages import STAGES

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where the helpers of the tests are
from tiny_checkpoint import make_tiny_checkpoint  # noqa: E402

SOURCE_TIME = 1_700_000_000  # of every image: size and time are part of what says whether one changed
CONFIG = """\
lake: lake
ingest: {source: source}
model: {MODEL}
as_of: 2026-11-01
embed: {kinds: [note, image], widths: [64, 16], items_per_task: 40}
index: {nlist: 4, pq_m: 8}
neighbours:
  k: 5
  recall_sample: 40
  tables:
    same_category: {same: [category]}
    collapsed: {duplicates: collapse}
spark: {spark.sql.shuffle.partitions: "2", spark.databricks.delta.snapshotPartitions: "1"}
"""
WORDS = (
    "noodle soup with sesame oil", "a day hike to the lake", "knitting a red scarf", "how to repot a monstera",
    "红烧肉的做法", "京都三日游攻略", "second-hand film camera", "sourdough for beginners",
)  # fmt: skip
CATEGORIES = ("food", "travel", "craft", None)


def write_source(folder: Path, night: int) -> None:
    """Write the notes of a night, 0 being the first: 48, of which the night edits and deletes a few, and three more."""
    folder.mkdir(exist_ok=True)
    notes = [_note(folder, number) for number in range(48 if night == 0 else 51)]
    if night:
        notes = [note for note in notes if note["id"] not in ("n3", "n17")]
        for note in notes[5:7]:
            note["body"] += ", and what we ate on the way"
        notes[12]["category"] = "garden"
    lines = [json.dumps(note, ensure_ascii=False) for note in notes]
    (folder / "items.jsonl").write_text("\n".join([*lines, '{"title": "nameless"}']) + "\n", encoding="utf-8")


def _note(folder: Path, number: int) -> dict[str, object]:
    words = WORDS[number % len(WORDS)]
    body = f"{words}, part {number // len(WORDS)}" if number != 40 else ""
    note = {"id": f"n{number}", "title": words if number != 40 else "", "body": body, "tags": [words.split()[0]]}
    note |= {"category": CATEGORIES[number % 4], "author": f"a{number % 5}", "lang": "en", "updated_at": "2026-10-01"}
    if number % 4 == 0:
        note["images"] = [{"path": _image(folder, number), "caption": f"a picture of {words}"}]
    return note


def _image(folder: Path, number: int) -> str:
    """One picture in twelve notes; that of note 40, which has no text, is broken."""
    path = folder / f"{number}.png"
    if number == 40:
        path.write_bytes(b"\x89PNG")
    else:
        rows = np.arange(32)[:, None, None] * np.array([number % 7, 3, 5])
        Image.fromarray(np.broadcast_to(rows % 256, (32, 48, 3)).astype(np.uint8)).save(path)
    os.utime(path, (SOURCE_TIME, SOURCE_TIME))
    return path.name


def write_hashing(folder: Path) -> None:
    """Write a checkpoint without weights."""
    folder.mkdir()
    (folder / "feature_hashing.json").write_text('{"widths": [16, 64], "seed": 0, "vocabulary_size": 4096}')


def write_checkpoint(folder: Path) -> None:
    """Write a checkpoint that packs small: few words, narrow, weights in bfloat16 with three bits of mantissa."""
    tiny.WIDTHS = (16, 64)
    make_tiny_checkpoint(folder, WORDS * 3, seed=5)
    weights = load_file(folder / "model.safetensors")
    rounded = {name: _rounded(weight) for name, weight in weights.items()}
    save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})


def _rounded(weight: torch.Tensor) -> torch.Tensor:
    bits = weight.to(torch.bfloat16).view(torch.int16)
    return (bits & ~0b1111).view(torch.bfloat16)


def described(run: Run) -> dict[str, object]:
    """Return what the tables say, for a test to compare with what it finds."""
    items = run.spark.read.format("delta").load(run.generation.uri("items")).orderBy("item_key")
    lists = run.spark.read.format("delta").load(run.generation.uri("neighbours")).orderBy("note_id")
    return {
        "generation": run.model.generation,
        "items": {row["item_id"]: [row["item_key"], row["content_hash"]] for row in items.collect()},
        "neighbours": {row["note_id"]: [one["note_id"] for one in row["neighbours"]] for row in lists.collect()},
    }


def main(version: str) -> None:
    """Make the lake in a folder of its own, and pack it."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        kind = "" if version == "1" else "kind: feature-hashing, "
        (write_checkpoint if version == "1" else write_hashing)(root / "checkpoint")
        (root / "config.yaml").write_text(CONFIG.replace("MODEL", f"{kind}checkpoint: checkpoint"))
        config = load_config(root / "config.yaml")
        for night in (0, 1):
            write_source(root / "source", night)
            run = Run(open_session("golden", config.spark), config)
            for stage in STAGES.values():
                stage(run)
        (root / "expected.json").write_text(json.dumps(described(run), indent=1, ensure_ascii=False))
        for crc in (root / "lake").rglob(".*.crc"):
            crc.unlink()
        shutil.rmtree(root / "lake" / "staging", ignore_errors=True)
        with tarfile.open(HERE / f"lake-{version}.tar.xz", "w:xz") as archive:
            for name in ("checkpoint", "source", "lake", "config.yaml", "expected.json"):
                archive.add(root / name, name)


if __name__ == "__main__":
    main(sys.argv[1])
