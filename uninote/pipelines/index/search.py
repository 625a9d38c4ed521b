"""The search job: queries of any kind, a note, an image, a text or several together, to the notes nearest to each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, LongType, StringType, StructType

from udfs.index.search import IndexSearch, make_search
from uninote.config.sections.index import SearchConfig
from uninote.errors import ConfigError, UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import ManifestError, read_manifest
from uninote.index.files.published import newest
from uninote.index.note_keys import Constraint, ConstraintError
from uninote.lake.releases.pointer import live_release
from uninote.lake.schemas import found_table
from uninote.lake.takedowns.watch import taken_down
from uninote.notes.ingest.sources import find_source
from uninote.pipelines.embed.steps.model_run import model_tasks, with_inline
from uninote.pipelines.index.queries import ALONE, query_items
from uninote.pipelines.index.scoring.bank import by_bank
from uninote.pipelines.index.scoring.parts import PARTS, by_parts
from uninote.pipelines.index.scoring.stored import by_items, by_note, weighed_vectors
from uninote.pipelines.index.scoring.strengths import with_means, with_strengths
from uninote.pipelines.index.target import index_folder
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.snapshot import Snapshot, readers_snapshot
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import policy_with
from uninote.pipelines.notes.note_ids import check_note_ids
from uninote.pipelines.notes.source.rows import read_source
from uninote.pipelines.runtime.progress import say
from uninote.search.scale import open_scale
from uninote.search.stored_banks import QueryBank, read_bank
from uninote.storage.types import MissingFileError

STAGING = "staging/search"


@dataclass(frozen=True)
class Wanted:
    """What answers queries: an index, the vectors of readers, and the bank that scores are corrected by, null: none."""

    index: IndexSearch
    snapshot: Snapshot
    bank: QueryBank | None


def search(run: Run) -> dict[str, Any]:
    """Write the `k` nearest notes of each query to `search.output`: one row for every row of `search.queries`, or item."""
    settings = run.config.search
    queries, output = _places(settings)
    snapshot = readers_snapshot(run)
    index = _wanted(run, settings, snapshot)
    bank = read_bank(run.generation, settings.bank_version) if settings.hubness == "queries" else None
    wanted = Wanted(index, snapshot, bank)
    counts = _of_items(run, wanted) if queries is None else _of_source(run, queries, wanted)
    made = {"width": index.width, "bank": None if bank is None else bank.version}
    return {"state": "done", "tables": {"found": output}, **made, **counts}


def _of_items(run: Run, wanted: Wanted) -> dict[str, int]:
    """Answer items of the lake, whose vectors are stored."""
    kind = str(run.config.search.items)
    output = str(run.config.search.output)
    stored = StoredVectors(run, wanted.snapshot, wanted.snapshot.widths[0], (kind,))
    if not stored.count:
        raise ConfigError(f"search.items is {kind!r}, and no such item is embedded; add it to embed.kinds")
    rejects = F.lit(None).cast("array<struct<reason: string>>")
    names = wanted.index.constraint.without
    rows = stored.rows(("item_id", "note_id", "vector")).where(~F.col("note_id").cast("string").isin(*names))
    staged = rows.drop("note_id").withColumn("rejects", rejects)
    total = rows.count() if names else stored.count
    tables.overwrite(_answers(run, staged, wanted), found_table(run.note_id), output)
    return _counts(run, output, total)


def _of_source(run: Run, queries: str, wanted: Wanted) -> dict[str, int]:
    """Answer the rows of a source, embedded now."""
    output = str(run.config.search.output)
    source = find_source(queries)
    found = read_source(run, source, run.config.ingest, "search")
    total = check_note_ids(found.notes)
    staging = run.generation.uri(f"{STAGING}-{run.run_id}")
    items = query_items(run, found.notes, ALONE if run.config.search.fusion == "note" else (*ALONE, *PARTS))
    with model_tasks(run, policy_with(run, source.media_root), staging) as tasks:
        count = total if run.config.search.fusion == "note" else items.count()
        staged = tasks.stage(with_inline(items, found.images), count, "search: queries, model")
        rejects = found.rejects.select(F.lit(None).cast("string").alias("query_id"), F.col("reason"))
        empty = F.array().cast(found_table(run.note_id).schema["neighbours"].dataType)
        rejects = rejects.withColumn("neighbours", empty)
        rows = _answers(run, staged, wanted).unionByName(rejects)
        tables.overwrite(rows, found_table(run.note_id), output)
    tables.remove(staging)
    counts = _counts(run, output, found.account.rows)
    found.rows.unpersist()
    return counts


def _answers(run: Run, staged: DataFrame, wanted: Wanted) -> DataFrame:
    """Return one row of the output for each staged query."""
    settings = run.config.search
    # The parts of a query have its id, as the note has that it is as a whole.
    queries = staged if settings.fusion == "note" else staged.where(F.col("kind") == "note")
    answered = _answer(run, staged, wanted.index)
    snapshot, width = wanted.snapshot, settings.rerank_width or wanted.index.width
    if settings.weights:
        stored = weighed_vectors(run, snapshot, width, settings.weights)
        answered = by_items(stored, queries, answered, settings.weights)
    elif settings.fusion == "parts":
        answered = by_parts(StoredVectors(run, snapshot, width), staged, answered)
    elif settings.rerank_width is not None:
        answered = by_note(StoredVectors(run, snapshot, width), queries, answered)
    if wanted.bank is None:
        answered = answered.withColumn("corrected", F.lit(None).cast(FloatType()))
    else:
        answered = by_bank(StoredVectors(run, snapshot, width), wanted.bank, answered)
    # Of weighed items, and of parts, a score is no cosine.
    finds_cosines = wanted.index.finds_notes and settings.fusion == "note" and not settings.weights
    scale = open_scale(run.generation, width, settings.k) if finds_cosines else None
    if scale is not None and wanted.bank is not None:
        # The map knows lists in the order of their scores.
        scale = replace(scale, confidence=None)
    return with_strengths(run, _rows(queries, with_means(run, answered, scale), settings.k), scale)


def _places(settings: SearchConfig) -> tuple[str | None, str]:
    if (settings.queries is None) == (settings.items is None):
        raise ConfigError("search.queries must be given, or search.items, not both: --set search.queries=<place>")
    if settings.output is None:
        raise ConfigError("search.output must be given: --set search.output=<place>")
    return settings.queries, settings.output


def _wanted(run: Run, settings: SearchConfig, snapshot: Snapshot) -> IndexSearch:
    try:
        constraint = replace(
            Constraint.of(settings.only, settings.never), without=tuple(sorted(taken_down(run.lake.root).names))
        )
    except ConstraintError as error:
        raise ConfigError(f"search: {error}") from error
    width = settings.width or max(run.config.index.widths or snapshot.widths)
    folder = index_folder(run, width)
    name = _manifest_name(run, folder, width)
    manifest = read_manifest(folder, name)
    manifest.check_use(run.lake_id)
    if manifest.generation != run.model.generation:
        raise UninoteError(
            f"the index of width {width} is of generation {manifest.generation}, the model's is {run.model.generation}"
        )
    if settings.scores_stored and not settings.weights and manifest.kinds != ("note",):
        asked = "search.fusion: parts" if settings.fusion == "parts" else "search.rerank_width"
        if settings.hubness == "queries":
            asked = "search.hubness: queries"
        raise ConfigError(f"{asked} needs an index of notes alone; index.kinds names more")
    k = settings.k * settings.depth if settings.scores_stored else settings.k
    say(f"search: index w{width}, {manifest.live:,} rows, {settings.nprobe or manifest.lists_searched} lists a query")
    return IndexSearch(folder, name, width, k, settings.nprobe, constraint, manifest.kinds == ("note",))


def _manifest_name(run: Run, folder: IndexFolder, width: int) -> str:
    """Return the manifest that the live release pins; where readers see no release of this model, the newest."""
    live = live_release(run.lake.root)
    pin = None if live is None or live.generation != run.model.generation else live.indexes.get(f"w{width}")
    try:
        return newest(folder) if pin is None else pin.manifest
    except MissingFileError as error:
        raise ManifestError(str(error)) from error


def _answer(run: Run, staged: DataFrame, wanted: IndexSearch) -> DataFrame:
    """Return (item_id, rank, note_id, item_key, score) of what the index finds for each query that has a vector."""
    schema = StructType().add("item_id", StringType())
    schema.add("keys", ArrayType(LongType())).add("notes", ArrayType(run.note_id))
    schema.add("scores", ArrayType(FloatType()))
    queries = staged.where("vector IS NOT NULL").select("item_id", "vector")
    lists = queries.mapInArrow(make_search(wanted), schema)
    one = F.posexplode(F.arrays_zip("notes", "keys", "scores")).alias("rank", "one")
    return lists.select("item_id", one).select(
        "item_id",
        "rank",
        F.col("one.notes").alias("note_id"),
        F.col("one.keys").alias("item_key"),
        F.col("one.scores").alias("score"),
    )


def _rows(staged: DataFrame, answered: DataFrame, k: int) -> DataFrame:
    """Return rows of FOUND: the best `k` of each query, none of one without an answer."""
    worse = (-F.coalesce("corrected", "score")).alias("worse")
    best = F.array_sort(F.collect_list(F.struct(worse, "note_id", "score", "own_mean", "corrected")))
    lists = answered.groupBy("item_id").agg(F.slice(best, 1, k).alias("best"))
    reason = F.when(F.col("vector").isNull(), F.element_at("rejects", -1)["reason"])
    names = {"notes": "note_id", "scores": "score", "means": "own_mean", "corrected": "corrected"}
    known = staged.join(lists, "item_id", "left")
    columns = []
    for column, name in names.items():
        nothing = F.array().cast(ArrayType(answered.schema[name].dataType))
        columns.append(F.coalesce(F.col(f"best.{name}"), nothing).alias(column))
    return known.select(F.col("item_id").alias("query_id"), reason.alias("reason"), "vector", *columns)


def _counts(run: Run, output: str, rows_in: int) -> dict[str, int]:
    written = tables.read_table(run.spark, output)
    counted = written.agg(F.count("*").alias("rows"), F.count("reason").alias("unanswered")).collect()[0]
    if counted["rows"] != rows_in:
        raise UninoteError(f"{rows_in:,} queries in, {counted['rows']:,} rows out in {output}")
    return {"queries": rows_in, "answered": rows_in - counted["unanswered"], "unanswered": counted["unanswered"]}
