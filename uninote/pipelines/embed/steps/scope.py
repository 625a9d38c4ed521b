"""Which notes a run has to look at: those that the change feed names, or all of them."""

from __future__ import annotations

from functools import reduce

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from uninote.digests import digest
from uninote.lake.change_feed import changed_values
from uninote.lake.schemas import items_table, set_aside_table
from uninote.lake.small_tables import may_have_entries
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.image_texts import reads_texts
from uninote.pipelines.runtime.progress import say


def settings_digest(run: Run) -> str:
    """Return what must be as it was for the feed to tell all that changed since the last run."""
    table = tables.table_id(run.lake.uri("notes"))
    if run.vector_table is not None:
        return digest(table, "vectors", run.vector_table.state, run.vector_table.settings.key)
    media = run.config.media
    # Nothing where it is not set: as in lakes from before the setting was there.
    searched = [True] if media.search_roots else []
    read = ["image texts"] if reads_texts(run) else []
    return digest(table, run.config.embed.kinds, media.roots, *searched, *read)


def has_nothing_to_look_at(run: Run, since: int | None, version: int) -> bool:
    """Say whether no note can need work: none changed after version `since`, and nothing else of notes is looked at again."""
    if since != version or run.vector_table is not None or run.config.embed.retry_quarantined:
        return False
    return not looks_at_images(run)


def looks_at_images(run: Run) -> bool:
    """Say whether notes with images are looked at though they did not change, and there are such notes."""
    # What is written in an image may have been read since, which the notes' feed says nothing of.
    looks_again = (run.config.embed.recheck_media or reads_texts(run)) and run.vector_table is None
    # The log and one column tell it in tenths of a second; a frame that may have rows costs queries, whatever is in it.
    return looks_again and may_have_entries(run.lake.uri("notes"), "images")


def find_scope(run: Run, notes: DataFrame, since: int, version: int) -> DataFrame | None:
    """Return the distinct note_ids that may have changed between two versions of the notes; None: any may have.

    The feed says no more than that: an overwrite appears as deletes and inserts in any order, so what became of a note is
    read from the notes themselves.
    """
    if run.vector_table is not None and (since != version or run.config.embed.retry_quarantined):
        # A note may be new whose vector was there before: only all rows of both tables tell.
        return None
    changed = _changed_ids(run, since, version)
    if changed is None:
        say("embed: the notes have no change feed back to the last run; comparing all of them")
        return None
    ids = [changed]
    if looks_at_images(run):
        ids.append(notes.where(F.exists("images", lambda image: image["uri"].isNotNull())).select("note_id"))
    if run.config.embed.retry_quarantined:
        aside = set_aside_table(run.note_id)
        items = items_table(run.note_id)
        ids.append(tables.read_or_empty(run.spark, aside, run.generation.uri(aside.name)).select("note_id"))
        known = tables.read_or_empty(run.spark, items, run.generation.uri(items.name))
        ids.append(known.where("degraded").select("note_id"))
    # One list of ids is distinct as it is; persisted, it would hide from the planner how few they are, or that there are none.
    return changed if len(ids) == 1 else reduce(DataFrame.union, ids).distinct().persist()


def within(frame: DataFrame, scope: DataFrame | None) -> DataFrame:
    """Return the rows of `frame` whose note is in scope."""
    return frame if scope is None else frame.join(scope, "note_id", "left_semi")


def _changed_ids(run: Run, since: int, version: int) -> DataFrame | None:
    """Return the ids that the feed names after version `since`, null when it does not reach back so far."""
    uri = run.lake.uri("notes")
    if since > version:
        return None
    schema = StructType([StructField("note_id", run.note_id)])
    if since == version:
        return tables.no_rows(run.spark, schema)
    few = changed_values(uri, since, version, "note_id")
    if few is not None:
        # The planner takes a frame out of Arrow for a large one, and would shuffle all notes and items to meet it.
        return F.broadcast(run.spark.createDataFrame(pa.table({"note_id": few}), schema))
    try:
        ids = tables.read_changes(run.spark, uri, since + 1, version).select("note_id").distinct().persist()
        # VACUUM deletes files of the feed although the log still names them, so that only reading tells.
        ids.count()
    except (PySparkException, Py4JJavaError):
        return None
    return ids
