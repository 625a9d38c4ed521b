"""A training set out of the lake: notes read once, duplicates grouped, then pairs, negatives and a split that holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.digests import digest
from uninote.errors import UninoteError
from uninote.lake.takedowns.orders import read_orders
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.taken_down import without_taken_down
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.training.assembly import Assembly, assemble, write_examples, write_images, write_ranked
from uninote.pipelines.training.groups import duplicates_version, govern, group_counts
from uninote.pipelines.training.scoring import with_negatives
from uninote.pipelines.training.sources import read_sources
from uninote.storage import lake_files
from uninote.storage.lake_folders import move_folder, on_disk
from uninote.training.dataset import TrainingSet
from uninote.training.dataset.schemas import FORMAT, MANIFEST
from uninote.training.from_notes.examples import SURELY_SEEN
from uninote.training.judging import identity_of

NO_PAIRS = (
    "no note gives a pair to train on: pairs need a caption, an image, or text read in an image; fill the caption column, or "
    "ingest notes with images"
)
NOTHING_TO_MEASURE = (
    "no note gives a pair: pairs need a caption, an image, text read in an image, or, of held-out notes, a title beside a "
    "body; fill one of these columns, or hold more notes out (training.eval_share)"
)
LEAKED = ("leaked_images", "leaked_texts")


def training_set(run: Run) -> TrainingSet:
    """Return the training set of the notes as they are, made unless it has been."""
    data = TrainingSet(on_disk(make_training_set(run)))
    _report_leaks(data)
    return data


def make_training_set(run: Run) -> str:
    """Make the training set of the notes as they are unless it has been, and return its folder, which appears as a whole.

    Notes that are taken down are left out.
    """
    notes_uri = run.lake.uri("notes")
    versions = {"notes": tables.table_version(notes_uri), "duplicates": duplicates_version(run)}
    name = set_name(run, versions)
    folder = run.lake.uri(f"training/{name}")
    if not lake_files.is_file(lake_files.join(folder, MANIFEST)):
        # Made beside and moved: a killed run leaves nothing that looks like a complete set.
        scratch = run.lake.uri(f"training/.{name}-{run.run_id}")
        try:
            notes, _ = without_taken_down(
                tables.read_table(run.spark, notes_uri, versions["notes"]), taken_down(run.lake.root)
            )
            _make(run, notes, scratch, versions)
            move_folder(scratch, folder, MANIFEST)
        finally:
            lake_files.remove_folder(scratch)
    return folder


def set_name(run: Run, versions: Mapping[str, int]) -> str:
    """Return the name of the set of these versions of `notes` and `duplicates`: whatever would change a set changes it."""
    settings = run.config.training
    teacher = run.model.generation if settings.teacher == "model" else None
    judge = () if settings.judge is None else (identity_of(settings.judge),)
    # A set that was made before a note was taken down is another one.
    left_out = sorted(order.digest for order in read_orders(run.lake.root) if order.note_id is not None)
    seen = settings.images_seen(run.config.model.limits) or SURELY_SEEN
    # In the name only where sets differ: those of a lake without duplicates keep theirs, as do those that see all images.
    fewer = [f"seen {seen}"] if seen < SURELY_SEEN else []
    # Groups that were made anew may put other notes into one, and so into one split.
    grouped = () if versions["duplicates"] == tables.ABSENT else (run.model.generation, versions["duplicates"])
    return f"set-{digest(FORMAT, settings.of_set(), versions['notes'], teacher, *judge, *fewer, *grouped, *left_out)}"


def _make(run: Run, notes: DataFrame, scratch: str, versions: Mapping[str, int]) -> None:
    settings = run.config.training
    working = f"{scratch}/working"
    sources = read_sources(run, notes, f"{working}/sources")
    governed = govern(run, sources, f"{working}/governed", versions["duplicates"])
    counts = group_counts(run, governed)
    unreadable = sources.agg(F.coalesce(F.sum("unreadable"), F.lit(0))).collect()[0][0]
    say(f"training set: {counts['notes']:,} notes, {unreadable:,} of their images unreadable")
    assembly = assemble(run, sources, governed, scratch, working)
    made = _counts(assembly)
    if all(name.startswith("ranked/") for name in made):
        raise UninoteError(NOTHING_TO_MEASURE)
    examples, taught = with_negatives(run, assembly, sources, working)
    write_examples(examples, assembly.items, made.total(), f"{scratch}/examples")
    write_ranked(run, assembly, made.total(), f"{scratch}/ranked", working)
    write_images(sources, assembly.digests, f"{scratch}/images")
    leaks = _leaks(assembly)
    # These are all images of all notes; the set holds those that it uses.
    lake_files.remove_folder(working)
    manifest = {
        "format": FORMAT,
        "counts": {**counts, **made, **leaks, **taught},
        "settings": settings.of_set(),
        "versions": {name: version for name, version in versions.items() if version != tables.ABSENT},
    }
    lake_files.write(f"{scratch}/{MANIFEST}", (json.dumps(manifest, indent=2) + "\n").encode())


def _counts(assembly: Assembly) -> Counter[str]:
    """Return how many examples and ranked lists each split has."""
    named = assembly.examples.select("strategy", "split")
    lists = assembly.lists.select(F.lit("ranked").alias("strategy"), "split")
    counted = named.unionByName(lists).groupBy("strategy", "split").count().collect()
    return Counter({f"{row['strategy']}/{row['split']}": row["count"] for row in sorted(counted)})


def _leaks(assembly: Assembly) -> dict[str, int]:
    """Return how many contents are in both splits."""
    shown = assembly.drafts.select(F.explode("shown").alias("digest"), "split")
    both = shown.groupBy("digest").agg((F.min("split") != F.max("split")).alias("leaks")).where("leaks")
    is_text = F.col("digest").startswith("text:")
    images, texts = both.agg(F.count_if(~is_text), F.count_if(is_text)).collect()[0]
    return dict(zip(LEAKED, (images, texts), strict=True))


def _report_leaks(data: TrainingSet) -> None:
    for kind in LEAKED:
        if count := data.manifest["counts"][kind]:
            say(
                f"training set: {count:,} {kind.replace('_', ' ')} across the split: scores on them measure memory as well"
            )
