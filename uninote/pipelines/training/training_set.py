"""A training set out of the lake: notes read once, duplicates grouped, then pairs, negatives and a split that holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pyarrow as pa
from pyarrow import parquet
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.training.training_set import SOURCES, make_sources, read_source
from uninote.digests import digest
from uninote.errors import UninoteError
from uninote.lake.delta_files import columns_of
from uninote.lake.schemas import duplicates_table
from uninote.lake.takedowns.orders import read_orders
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.embed.steps.model_run import with_stored
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.media_roots import media_policy
from uninote.pipelines.notes.taken_down import without_taken_down
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.training.teacher import teach
from uninote.storage import lake_files
from uninote.storage.lake_folders import move_folder, on_disk
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import EVAL, FORMAT, MANIFEST, TABLES, TRAIN
from uninote.training.from_notes.assembly import Assembly, assemble, examples_and_halves
from uninote.training.from_notes.examples import Making
from uninote.training.from_notes.groups import Governed, govern
from uninote.training.from_notes.leaks import find_leaks
from uninote.training.from_notes.soft_scores import UNSCORED

NO_PAIRS = (
    "no note gives a pair to train on: pairs need a caption, an image, or text read in an image; fill the caption column, or "
    "ingest notes with images"
)
NOTHING_TO_MEASURE = (
    "no note gives a pair: pairs need a caption, an image, text read in an image, or, of held-out notes, a title beside a "
    "body; fill one of these columns, or hold more notes out (training.eval_share)"
)
# Of the notes: a larger group is worth a line, since all but `group_cap` of its notes go unused.
_LARGE_SHARE = 0.01
LEAKED = ("leaked_images", "leaked_texts")


def training_set(run: Run) -> TrainingSet:
    """Return the training set of the notes as they are, made unless it has been; the folder appears once it is complete.

    Notes that are taken down are left out.
    """
    settings = run.config.training
    notes_uri = run.lake.uri("notes")
    version = tables.table_version(notes_uri)
    made_with = settings.of_set()
    teacher = run.model.generation if settings.teacher == "model" else None
    # A set that was made before a note was taken down is another one.
    left_out = sorted(order.digest for order in read_orders(run.lake.root) if order.note_id is not None)
    name = f"set-{digest(FORMAT, made_with, version, teacher, *left_out)}"
    folder = run.lake.uri(f"training/{name}")
    if not lake_files.is_file(lake_files.join(folder, MANIFEST)):
        # Made beside and moved: a killed run leaves nothing that looks like a complete set.
        scratch = run.lake.uri(f"training/.{name}-{run.run_id}")
        try:
            notes, _ = without_taken_down(tables.read_table(run.spark, notes_uri, version), taken_down(run.lake.root))
            _make(run, notes, scratch, {"notes": version})
            move_folder(scratch, folder, MANIFEST)
        finally:
            lake_files.remove_folder(scratch)
    data = TrainingSet(on_disk(folder))
    _report_leaks(data)
    return data


def _make(run: Run, notes: DataFrame, scratch: str, versions: dict[str, int]) -> None:
    settings = run.config.training
    sources = _sources(run, notes, f"{scratch}/sources")
    rows = sources.select("note_id", "digests", "unreadable").toArrow().to_pylist()
    digests = {}
    unreadable = 0
    for row in rows:
        digests[row["note_id"]] = row["digests"]
        unreadable += row["unreadable"]
    say(f"training set: {len(digests):,} notes, {unreadable:,} of their images unreadable")
    governed = govern(
        digests, _linked(run, sources), cap=settings.group_cap, eval_share=settings.eval_share, seed=settings.seed
    )
    used = {note_id for note_id, place in governed.items() if place.used}
    assembly = _assembled(run, sources, used, governed)
    taught: Counter[str] = Counter()
    if settings.teacher == "model":
        taught = teach(run, assembly, sources)
        _check_taught(run, assembly, taught)
    for name, rows in assembly.tables().items():
        place = lake_files.join(scratch, name)
        lake_files.make_folder(place)
        files, path = lake_files.for_arrow(lake_files.join(place, "part-00000.parquet"))
        parquet.write_table(pa.Table.from_pylist(list(rows), TABLES[name]), path, filesystem=files)
    _write_images(run, sources, assembly.digests(), f"{scratch}/images")
    # These are all images of all notes; the set holds those that it uses.
    lake_files.remove_folder(f"{scratch}/sources")
    counts = {"notes": len(digests), "kept": len(used), **_group_counts(run, governed), **_counts(assembly), **taught}
    made = {"settings": settings.of_set(), "versions": versions}
    manifest = json.dumps({"format": FORMAT, "counts": counts, **made}, indent=2) + "\n"
    lake_files.write(f"{scratch}/{MANIFEST}", manifest.encode())


def _check_taught(run: Run, assembly: Assembly, taught: Counter[str]) -> None:
    """Say by strategy which examples have no score or no negative. Raises UninoteError where too many have no negative."""
    scored = Counter(row["strategy"] for row in assembly.examples if row["split"] == TRAIN)
    allowed = run.config.training.max_without_negatives
    lacking = []
    for name, count in sorted(taught.items()):
        kind, _, strategy = name.partition("/")
        if count and kind == UNSCORED:
            say(
                f"training set: {count:,} examples of {strategy} are left out: the teacher has no vector of a part of them"
            )
        elif count:
            say(f"training set: {count:,} of {scored[strategy]:,} examples of {strategy} have no negative")
            if count > allowed * scored[strategy]:
                lacking.append(f"{strategy} ({count:,} of {scored[strategy]:,})")
    if lacking and run.config.training.negatives:
        raise UninoteError(
            f"examples without any negative: {', '.join(lacking)}, more than training.max_without_negatives={allowed}: no "
            f"candidate scores within training.window={list(run.config.training.window)}, and where negatives of the batch do "
            "not count such an example teaches nothing; give a window that this teacher's scores lie in (window_unit: quantile)"
        )


def _group_counts(run: Run, governed: dict[str, Governed]) -> dict[str, int]:
    """Return how many groups of near-duplicates there are, and the notes of the largest; one that is very large is said."""
    sizes = Counter(place.group for place in governed.values())
    largest = max(sizes.values(), default=0)
    cap = run.config.training.group_cap
    if largest > max(cap, _LARGE_SHARE * len(governed)):
        say(
            f"training set: the largest group of near-duplicates, by any chain, has {largest:,} of {len(governed):,} notes; "
            f"{cap:,} of them are used"
        )
    return {"groups": len(sizes), "largest_group": largest}


def _counts(assembly: Assembly) -> dict[str, int]:
    """Return how many examples and ranked lists each split has, and how many contents are in both."""
    counts: Counter[str] = Counter()
    for row in assembly.examples:
        counts[f"{row['strategy']}/{row['split']}"] += 1
    for row in assembly.ranked:
        counts[f"ranked/{row['split']}"] += 1
    leaks = find_leaks(assembly.items)
    for kind in LEAKED:
        counts[kind] = len(leaks[kind.removeprefix("leaked_")])
    return dict(counts)


def _sources(run: Run, notes: DataFrame, folder: str) -> DataFrame:
    """Read at most `max_notes` notes and their images, and store what was read: used twice, it would be read twice."""
    settings = run.config.training
    media = run.config.media
    # Ordered by a hash of the id, the first `max_notes` are a random sample that is the same in every run.
    place = F.xxhash64(F.col("note_id").cast("string"), F.lit(settings.seed))
    wanted = notes if settings.max_notes is None else notes.orderBy(place).limit(settings.max_notes)
    wanted = wanted.withColumns({"item_id": F.col("note_id").cast("string"), "kind": F.lit("note")})
    rows = with_stored(run, wanted)
    columns = ("note_id", "title", "body", "caption", "topics", "images", "inline")
    read = rows.select(*columns).repartition(4 * run.spark.sparkContext.defaultParallelism)
    schema = from_arrow_schema(SOURCES)
    read.mapInArrow(make_sources(media_policy(run), media.threads), schema).write.parquet(folder)
    return run.spark.read.schema(schema).parquet(folder)


def _linked(run: Run, sources: DataFrame) -> list[tuple[str, str]]:
    """Return the duplicates among the `sources` that the neighbours job found for the configured model, if it ran.

    Chains, not groups of bounded radius: two notes that are duplicates of each other may be in two groups, and one of them
    would be trained on where the other is a question.
    """
    uri = run.generation.uri(duplicates_table(run.note_id).name)
    if not tables.has_table(uri):
        return []
    # In tables of earlier releases a group was a whole chain.
    chain = "chain_id" if "chain_id" in columns_of(uri) else "group_id"
    stored = tables.read_table(run.spark, uri).selectExpr("string(note_id) AS note_id", f"string({chain}) AS chain")
    found = stored.join(sources.select("note_id"), "note_id", "left_semi").toArrow()
    # By the first note of a chain that is there: the one that names the chain may not be.
    first: dict[str, str] = {}
    linked = []
    for note_id, chain_id in zip(found["note_id"].to_pylist(), found["chain"].to_pylist(), strict=True):
        linked.append((note_id, first.setdefault(chain_id, note_id)))
    return linked


def _assembled(run: Run, sources: DataFrame, used: set[str], governed: dict[str, Governed]) -> Assembly:
    settings = run.config.training
    making = Making(
        settings.seed,
        settings.modal_replacement,
        settings.per_note,
        settings.note_pairs,
        settings.undescribed_pairs,
        settings.sibling_pairs,
    )
    texts = sources.where(F.size("digests") > 0).select("note_id", "note").orderBy("note_id").toArrow()
    found = []
    for note_id, text in zip(texts["note_id"].to_pylist(), texts["note"].to_pylist(), strict=True):
        if note_id in used:
            # Titles are for measuring alone: what is trained on depends on captions, images and OCR, as it always did.
            own = replace(making, held_out=governed[note_id].split == EVAL)
            found.append(examples_and_halves(read_source(text), own))
    assembly = assemble(found, governed, settings.noise, settings.seed)
    if not assembly.examples:
        raise UninoteError(NOTHING_TO_MEASURE)
    return assembly


def _write_images(run: Run, sources: DataFrame, digests: set[str], folder: str) -> None:
    wanted = run.spark.createDataFrame(pa.table({"digest": pa.array(sorted(digests), pa.string())}))
    # Reposts share images: a set holds each content once, and examples name it by digest.
    files = sources.select(F.explode("files").alias("file")).select("file.*").dropDuplicates(["digest"])
    files.join(F.broadcast(wanted), "digest", "left_semi").write.parquet(folder)


def _report_leaks(data: TrainingSet) -> None:
    for kind in LEAKED:
        if count := data.manifest["counts"][kind]:
            say(
                f"training set: {count:,} {kind.replace('_', ' ')} across the split: scores on them measure memory as well"
            )
