"""A training set put together by executors: items numbered by a hash of what they show, examples and lists that name them.

Drafts say what each note gives; items are the contents of all drafts, each once in a split; then drafts get their numbers.
The driver sees counts alone. What is written does not depend on how rows are spread over tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from udfs.arrow import ArrowMap
from udfs.training.drafts import DRAFTS, make_drafts
from udfs.training.parts import NUMBERS, PART, WRITTEN, make_images, make_items, make_parts
from udfs.training.ranked import make_ranked
from uninote.pipelines.lake.run import Run
from uninote.training.dataset.schemas import EXAMPLES, NO_ITEM, RANKED
from uninote.training.from_notes.examples import SURELY_SEEN, Making

ROWS = 1 << 14  # of a part; a task holds as many in memory
IMAGES_PER_PART = 256
_DIGITS = 3  # hexadecimal, of a mark: so many ranges of marks are counted


@dataclass(frozen=True)
class Ranges:
    """Ranges of marks with about as many rows each: `part_of` has that of each of the marks' first digits, ascending.

    `firsts` has how many rows lie before each part, and at its end how many there are in all.
    """

    part_of: tuple[int, ...]
    firsts: tuple[int, ...]

    @classmethod
    def of(cls, rows: DataFrame, most: int) -> Ranges:
        """Count `rows` by their `mark`, so that about `most` of them are in a part."""
        digits = F.conv(F.substring("mark", 1, _DIGITS), 16, 10).cast("int")
        counts = np.zeros(16**_DIGITS, np.int64)
        for row in rows.groupBy(digits.alias("digits")).count().collect():
            counts[row["digits"]] = row["count"]
        before = np.cumsum(counts) - counts
        part_of = np.unique(before // most, return_inverse=True)[1]
        sizes = np.bincount(part_of, counts).astype(np.int64)
        return cls(tuple(part_of.tolist()), tuple(accumulate(sizes.tolist(), initial=0)))

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.firsts[-1]

    def part(self) -> Column:
        """Return the part of a row with a `mark`."""
        return _at(self.part_of, F.conv(F.substring("mark", 1, _DIGITS), 16, 10).cast("int"))

    def first(self) -> Column:
        """Return how many rows lie before a row's `part`."""
        return _at(self.firsts, F.col(PART))


@dataclass(frozen=True)
class Assembly:
    """What notes give, with item numbers: `items` of them in `numbers` (NUMBERS), `drafts` (DRAFTS).

    `examples` (strategy, query, positive, by_rule, split), `by_rule` NO_ITEM where there is none; `lists` (query, relevant,
    split, group).
    """

    drafts: DataFrame
    numbers: DataFrame
    items: int
    examples: DataFrame
    lists: DataFrame

    @property
    def digests(self) -> DataFrame:
        """The digests of the images that any item has, each once."""
        images = F.flatten(F.col("contents.images"))
        return self.drafts.select(F.explode(images).alias("image")).select("image.digest").distinct()


def assemble(run: Run, sources: DataFrame, governed: DataFrame, folder: str, working: str) -> Assembly:
    """Number the items of the used notes, write them into `folder`/items, and return what names them."""
    drafts = stored(run, _drafts(run, sources, governed), f"{working}/drafts")
    contents = drafts.select("note_id", "group", "split", F.inline("contents"))
    ranges = Ranges.of(drafts.select("split", F.explode("contents.mark").alias("mark")).distinct(), ROWS)
    placed = contents.withColumn(PART, ranges.part()).repartition(PART)
    ordered = placed.sortWithinPartitions(PART, "mark", "split", "note_id")
    written = ordered.mapInArrow(make_items(f"{folder}/items", ranges.firsts), from_arrow_schema(NUMBERS))
    numbers = stored(run, written, f"{working}/numbers")
    numbered = stored(run, _numbered(drafts, numbers), f"{working}/numbered")
    examples = numbered.select("split", F.inline("examples"))
    lists = numbered.where("halves IS NOT NULL").select("split", "halves.*")
    return Assembly(drafts, numbers, ranges.rows, examples, lists)


def write_examples(examples: DataFrame, items: int, rows: int, folder: str) -> None:
    """Write `rows` examples with the columns of EXAMPLES, in the order of their queries."""
    order = ("query", "strategy", "positive", "negatives")
    _write(_parted(examples, items, rows).sortWithinPartitions(PART, *order), make_parts(folder, EXAMPLES))


def write_ranked(run: Run, assembly: Assembly, rows: int, folder: str, working: str) -> None:
    """Draw noise for the `rows` ranked lists, and write them in the order of their queries."""
    settings = run.config.training
    last = F.element_at("relevant", -1).alias("item")
    ends = assembly.lists.select("split", last).distinct().join(assembly.numbers.select("item", "group"), "item")
    ends.write.parquet(f"{working}/ends")
    draw = make_ranked(f"{working}/ends", settings.noise, settings.seed)
    write = make_parts(folder, RANKED)
    ordered = _parted(assembly.lists, assembly.items, rows).sortWithinPartitions(PART, "query", "relevant")
    _write(ordered, lambda batches: write(draw(batches)))


def write_images(sources: DataFrame, wanted: DataFrame, folder: str) -> None:
    """Write the `wanted` images: reposts share them, a set holds each content once, and items name it by digest."""
    parts = max(1, -(-wanted.count() // IMAGES_PER_PART))
    files = sources.select(F.explode("files").alias("file")).select("file.digest", "file.content")
    # What is wanted stands before its contents as a row without one: a join would send all bytes through a shuffle of its own.
    marked = files.unionByName(wanted.withColumn("content", F.lit(None).cast("binary")))
    placed = marked.withColumn(PART, F.pmod(F.hash("digest"), F.lit(parts))).repartition(PART)
    _write(placed.sortWithinPartitions(PART, "digest", "content"), make_images(folder))


def _drafts(run: Run, sources: DataFrame, governed: DataFrame) -> DataFrame:
    settings = run.config.training
    making = Making(
        seed=settings.seed,
        replace=settings.modal_replacement,
        per_note=settings.per_note,
        note_pairs=settings.note_pairs,
        shared_images=settings.shared_images,
        note_cuts=settings.note_cuts,
        undescribed_pairs=settings.undescribed_pairs,
        sibling_pairs=settings.sibling_pairs,
        seen=min(SURELY_SEEN, settings.images_seen(run.config.model.limits) or SURELY_SEEN),
    )
    used = governed.where(F.col("place") <= settings.max_per_group).select("note_id", "group", "split")
    texts = sources.where(F.size("digests") > 0).select("note_id", "note").join(used, "note_id")
    sees = run.model.sees_images if settings.teacher == "model" else None
    return texts.mapInArrow(make_drafts(making, sees), from_arrow_schema(DRAFTS))


def _numbered(drafts: DataFrame, numbers: DataFrame) -> DataFrame:
    """Return drafts whose examples and halves name items by number."""
    places = drafts.select("note_id", "split", F.posexplode("contents.mark").alias("pos", "mark"))
    found = places.join(numbers.select("mark", "split", "item", "group"), ["mark", "split"])
    each = F.array_sort(F.collect_list(F.struct("pos", "item", "group")))
    items = found.groupBy("note_id").agg(each.alias("found"))
    joined = drafts.select("note_id", "split", "examples", "halves").join(items, "note_id")

    def number(place: Column) -> Column:
        return F.get("found.item", place)

    examples = F.transform(
        "examples",
        lambda one: F.struct(
            one["strategy"].alias("strategy"),
            number(one["query"]).alias("query"),
            number(one["positive"]).alias("positive"),
            F.coalesce(number(one["by_rule"]), F.lit(NO_ITEM)).alias("by_rule"),
        ),
    )
    halves = F.struct(
        number(F.col("halves.query")).alias("query"),
        F.transform("halves.relevant", number).alias("relevant"),
        F.get("found.group", F.col("halves.query")).alias("group"),
    )
    return joined.select(
        "split", examples.alias("examples"), F.when(F.col("halves").isNotNull(), halves).alias("halves")
    )


def _parted(rows: DataFrame, items: int, count: int) -> DataFrame:
    """Put `count` rows into parts by their queries, all rows of a part into one task."""
    parts = max(1, -(-count // ROWS))
    return rows.withColumn(PART, F.expr(f"int(query * {parts} DIV {max(1, items)})")).repartition(PART)


def _write(rows: DataFrame, write: ArrowMap) -> None:
    rows.mapInArrow(write, WRITTEN).write.format("noop").mode("overwrite").save()


def stored(run: Run, rows: DataFrame, folder: str) -> DataFrame:
    """Store rows that are used more than once, and return what was stored."""
    rows.write.parquet(folder)
    return run.spark.read.schema(rows.schema).parquet(folder)


def _at(values: tuple[int, ...], place: Column) -> Column:
    # As SQL: a literal of its own for each value would be as many calls of the JVM.
    return F.get(F.expr(f"array({', '.join(map(str, values))})"), place)
