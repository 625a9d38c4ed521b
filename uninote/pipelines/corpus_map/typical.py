"""Typical notes of branches: each task keeps those nearest to each centre, and the driver gets the nearest of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Window
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, IntegerType, StructField, StructType

from udfs.corpus_map.typical import make_nearest
from udfs.corpus_map.words import WHOLE
from uninote.corpus_map.data import TypicalNote
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.corpus_map.coded import BRANCH, Coded, Key
from uninote.pipelines.corpus_map.pictures import pictures
from uninote.pipelines.lake import tables

SHOWN = 4  # of a branch of the first level, with different titles
DRAWN = 8  # of such a branch: some are alike, and some were deleted since
SHOWN_BELOW = 1
CHARACTERS = 120
PICTURES = 300  # that are made for a page


@dataclass(frozen=True)
class _Found:
    """A note near the centre of its branch, and where its first image is; empty where it has none."""

    note_id: str
    title: str
    image: str


def typical_notes(coded: Coded, notes: int) -> dict[Key, tuple[TypicalNote, ...]]:
    """Return the notes nearest to the centre of each branch, nearest first, those that are taken down left out.

    Of the first level up to SHOWN with pictures, PICTURES of these in all; of the second SHOWN_BELOW.
    """
    found = _nearest(coded, notes)
    made = pictures(coded.run, _offered(found))
    shown = {}
    for key, mine in found.items():
        shown[key] = tuple(TypicalNote(one.note_id, one.title, made.get(one.image)) for one in mine)
    return shown


def _nearest(coded: Coded, notes: int) -> dict[Key, list[_Found]]:
    taken = taken_down(coded.run.lake.root)
    found: dict[Key, list[_Found]] = {}
    for row in _rows(coded, notes):
        key = (row["first"], row["second"])
        mine = found.setdefault(key, [])
        most = SHOWN if key[1] == WHOLE else SHOWN_BELOW
        title = (row["title"] or "").strip()
        is_new = all(title != other.title for other in mine)
        if len(mine) < most and is_new and not taken.hides(row["note_id"]):
            mine.append(_Found(str(row["note_id"]), title, row["image"] or ""))
    return found


def _rows(coded: Coded, notes: int) -> list[Any]:
    """Return (first, second, note_id, title, image) of the nearest notes of every branch, in order of their distance."""
    run, snapshot = coded.run, coded.snapshot
    vectors = snapshot.read(snapshot.vectors_name(coded.codebook.width)).where("kind = 'note'")
    near = coded.sample(notes).join(vectors.select("note_id", "vector"), "note_id")
    kind = [StructField(name, IntegerType()) for name in BRANCH]
    schema = StructType([*kind, StructField("distance", FloatType()), StructField("note_id", run.note_id)])
    mapped = near.select(*BRANCH, "vector", "note_id").mapInArrow(
        make_nearest(coded.codebook, DRAWN, SHOWN_BELOW), schema
    )
    rank = F.row_number().over(Window.partitionBy(*BRANCH).orderBy("distance", "note_id"))
    best = mapped.withColumn("rank", rank)
    best = best.where(F.col("rank") <= F.when(F.col("second") == WHOLE, DRAWN).otherwise(SHOWN_BELOW))
    title = F.substring(F.when(F.trim("title") != "", F.col("title")).otherwise(F.col("body")), 1, CHARACTERS)
    image = F.when(F.col("second") == WHOLE, F.get("images.uri", F.lit(0))).alias("image")
    shown = best.join(tables.read_table(run.spark, run.lake.uri("notes")), "note_id")
    return shown.select(*BRANCH, "note_id", "rank", title.alias("title"), image).orderBy(*BRANCH, "rank").collect()


def _offered(found: Mapping[Key, Sequence[_Found]]) -> set[str]:
    """Return the images to show: of the first note of each branch of the first level, then of the second ones."""
    offered = []
    for key, notes in found.items():
        for rank, note in enumerate(notes):
            if note.image:
                offered.append((rank, key, note.image))
    return {image for _, _, image in sorted(offered)[:PICTURES]}
