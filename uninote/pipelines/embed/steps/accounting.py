"""Every note is counted once: what a run is to do, when too much of it fails, and whether its counts add up at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.errors import UninoteError
from uninote.lake.delta_files import rows_with
from uninote.lake.paths import CHUNK
from uninote.lake.schemas import CUTS, items_table, set_aside_table
from uninote.lake.small_tables import read_batches
from uninote.pipelines.embed.steps import changes
from uninote.pipelines.embed.steps.chunks import Census
from uninote.pipelines.embed.steps.outcomes import Outcomes
from uninote.pipelines.embed.steps.recovery import Before
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

# Of the notes in the lake, those of earlier runs included: whose texts were cut, by how much, and so on.
CUT_COUNTS = (
    "notes_cut",
    "tokens_cut",
    "notes_cut_estimated",
    "notes_lacking_images",
    "images_left_out",
    "cut_unknown",
)
UNPUBLISHED = "this chunk was not published, and readers keep what they had"


Items = list[dict[str, Any]]
"""A few items in the driver, each with the columns that `find_changes` gives them, and what the model sees of it."""


@dataclass(frozen=True)
class Frames:
    """The work of a run. `notes` are those in scope, `found` their items that changed.

    `looked`, persisted, has further items: those of which files were opened.
    """

    notes: DataFrame
    looked: DataFrame
    found: DataFrame


@dataclass(frozen=True)
class Plan:
    """What a run is to do: its `work`, as items in the driver where these are few; `census` is what it comes to.

    There are `notes_in` notes in all. `set_aside` is the number of notes that were before the run. `vector_rows` counts the
    rows of foreign vectors.
    """

    run: Run
    work: Frames | Items
    notes_in: int
    census: Census
    widths: tuple[int, ...]
    before: Before
    set_aside: int
    vector_rows: Mapping[str, int] = field(default_factory=dict)

    def release(self) -> None:
        """Let go of what Spark keeps for the run."""
        if isinstance(self.work, Frames):
            self.work.looked.unpersist()

    def census_with_keys(self) -> Census:
        """Return the census of all its items once the new ones have their keys."""
        new = self.census.of(changes.NEW)
        return replace(self.census, next_key=self.before.next_key + new if new else 0)


@dataclass(frozen=True)
class Chunk:
    """What is committed together: items with their keys and changes; `work`, with their content.

    Of a run of one chunk the run's own entry in the ledger tells all.
    """

    number: int
    is_all: bool
    keyed: DataFrame
    work: DataFrame
    census: Census

    @property
    def name(self) -> str:
        """The unit in the ledger."""
        return f"{CHUNK}{self.number}"

    @property
    def for_model(self) -> DataFrame:
        """The work that the model is asked about."""
        return self.work.where(F.col("change").isin(*changes.MODEL))


def check_reachable(plan: Plan, chunk: Chunk, got: Outcomes) -> None:
    """Raise UninoteError where a store is away for more of a chunk than may be set aside of all notes.

    A run of one chunk may be a few new notes: they are held to all notes alone.
    """
    given = got.notes["given"]
    allowed = plan.run.config.embed.max_quarantined_share
    if not chunk.is_all and got.notes["unreachable"] > allowed * given:
        raise UninoteError(
            f"images of {got.notes['unreachable']:,} of {given:,} notes cannot be reached, more than "
            f"embed.max_quarantined_share={allowed}; {UNPUBLISHED}. The reasons are in "
            f"{plan.run.lake.uri('quarantine')}: correct media.roots or s3.endpoint, or run again when the store answers"
        )


def check_quarantine(plan: Plan, incomplete: int) -> None:
    """Raise UninoteError once more notes are set aside, or lack an image that cannot be reached, than may be."""
    allowed = plan.run.config.embed.max_quarantined_share
    quarantined = plan.set_aside - plan.census.reopened["note"] + incomplete
    if quarantined > allowed * plan.notes_in:
        raise UninoteError(
            f"{quarantined:,} of {plan.notes_in:,} notes cannot be embedded, or not whole, more than "
            f"embed.max_quarantined_share={allowed}; {UNPUBLISHED}. The reasons are in "
            f"{plan.run.lake.uri('quarantine')}. Is media.roots right? Raise the share to go on"
        )


def reconcile(plan: Plan, done: Outcomes) -> dict[str, int]:
    """Count every note once. Raises UninoteError when a note is unaccounted for in what is stored now."""
    run = plan.run
    census = plan.census
    embedded = done.notes["embedded"]
    quarantined = count_set_aside(run)
    standing = _count_stored(run)
    stored = standing["stored"]
    counts = {
        "notes_in": plan.notes_in,
        "embedded": embedded,
        "unchanged": stored - embedded,
        "quarantined": quarantined,
        "deleted": census.notes(changes.DELETED),
        "degraded": standing["degraded"],
        "attributes_changed": census.notes(changes.ATTRIBUTES),
        "computed": done.items["computed"],
        "tokens": done.items["tokens"],
        "unreachable": done.items["unreachable"],
        "postponed": census.postponed,
        "unseen_images": done.items["unseen_images"],
        **plan.vector_rows,
        "images_opened": census.opened + done.items["images_opened"],
        **{name: standing[name] for name in CUT_COUNTS},
    }
    if plan.notes_in != stored + quarantined:
        raise UninoteError(
            f"notes in and notes out differ ({stored:,} have a vector): {counts}; readers keep what they had"
        )
    return counts


def count_set_aside(run: Run) -> int:
    """Return how many notes have no vector, those of earlier runs included."""
    spec = set_aside_table(run.note_id)
    return rows_with(run.generation.uri(spec.name), "kind", "note")


def _count_stored(run: Run) -> dict[str, int]:
    """Return the number of notes that have a vector, those of earlier runs included, and how many are not whole, and why."""
    uri = run.generation.uri(items_table(run.note_id).name)
    counts = dict.fromkeys(("stored", "degraded", *CUT_COUNTS), 0)
    for batch in read_batches(uri, ["kind", "degraded", *CUTS]) if tables.has_table(uri) else ():
        notes = batch.filter(pc.equal(batch["kind"], "note"))
        cut = notes["tokens_cut"]
        left_out = notes["images_left_out"]
        found = {
            "stored": len(notes),
            "degraded": _sum(notes["degraded"]),
            "notes_cut": _sum(pc.greater(cut, 0)),
            "tokens_cut": _sum(cut),
            "notes_cut_estimated": _sum(notes["tokens_cut_estimated"]),
            "notes_lacking_images": _sum(pc.greater(left_out, 0)),
            "images_left_out": _sum(left_out),
            "cut_unknown": cut.null_count,
        }
        for name, count in found.items():
            counts[name] += count
    return counts


def _sum(values: pa.Array) -> int:
    """Return the sum of numbers, or of truths; nulls do not count."""
    return pc.sum(values).as_py() or 0


def cut_shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return, for the ledger, which shares of the lake's notes lack some of their text, and some of their images.

    Notes that an earlier release embedded, of which nobody knows, are not among those.
    """
    known = counts["embedded"] + counts["unchanged"] - counts["cut_unknown"]
    return {
        "cut_share": counts["notes_cut"] / known if known else 0.0,
        "lacking_images_share": counts["notes_lacking_images"] / known if known else 0.0,
    }


def check_cuts(plan: Plan, done: Outcomes, got: Outcomes) -> None:
    """Raise UninoteError once the run has cut the texts, or left out images, of more of all notes than it may."""
    allowed = plan.run.config.embed
    for name, share, what in (
        ("max_cut_share", allowed.max_cut_share, "texts"),
        ("max_lacking_images_share", allowed.max_lacking_images_share, "images"),
    ):
        found = done.notes[f"lacking_{what}"] + got.notes[f"lacking_{what}"]
        if found > share * plan.notes_in:
            raise UninoteError(
                f"the model does not get to see all {what} of {found:,} of {plan.notes_in:,} notes, more than "
                f"embed.{name}={share}; {UNPUBLISHED}. Take a model that reads more, or raise the share to go on"
            )
