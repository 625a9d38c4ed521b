"""What lists by codes need of the table `codes`: the codes by item_key, and how many candidates fill a list."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyspark.sql import functions as F

from udfs.neighbours.diversity import KEYED, Diversity, read_groups
from uninote.codes.codebook import Codebook
from uninote.codes.stored import read_codebook
from uninote.config.sections.neighbours import DiverseConfig
from uninote.errors import UninoteError
from uninote.lake.reserved import CODES
from uninote.lake.schemas import CODEBOOKS
from uninote.neighbours.by_rule.diversity import MOST_CANDIDATES, candidates_needed
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import last_entry
from uninote.pipelines.neighbours.planning.join import Join
from uninote.pipelines.runtime.progress import say, step
from uninote.storage import lake_files

_STAGED = "codes_of_items"


class NoCodesError(UninoteError):
    """Lists by codes cannot be made: the message says why."""


def diverse_rules(join: Join) -> dict[str, DiverseConfig]:
    """Return, by table, the rules that look at codes."""
    rules = join.run.config.neighbours.rules
    return {name: rule.diverse for name, rule in rules.items() if rule.diverse is not None}


def prepare(join: Join, counts: Mapping[str, int] | None) -> None:
    """Make the codes of all notes ready for lists by codes, and say how many candidates each table's lists keep.

    `counts` are those of the run whose lists are updated, null for a full join, which measures it on a sample. Raises
    NoCodesError.
    """
    rules = diverse_rules(join)
    if not rules:
        return
    codebook = _codebook(join, rules)
    files = _write_prefixes(join, codebook)
    for name, rule in rules.items():
        # The codes past the prefix are the last digits of a packed number: dividing leaves the prefix.
        divisor = codebook.size ** (codebook.levels - rule.prefix)
        join.diversities[name] = Diversity(files, rule.at_most, divisor, join.run.config.neighbours.k)
    needed = {} if counts is not None else _measured(join)
    for name, diversity in list(join.diversities.items()):
        candidates = needed[name] if counts is None else counts[count_name(name)]
        join.diversities[name] = Diversity(files, diversity.at_most, diversity.divisor, candidates)


def count_name(table: str) -> str:
    """Return under which name the ledger has how many candidates the lists of a table keep."""
    return f"candidates_{table}"


def report(join: Join) -> dict[str, int]:
    """Return, for the ledger, the candidates of each table and its lists with fewer than K notes, which are said too."""
    found: dict[str, int] = {}
    k = join.run.config.neighbours.k
    for name, diversity in join.diversities.items():
        public = tables.read_table(join.run.spark, join.run.generation.uri(name))
        short = public.where(F.size("neighbours") < k).count()
        found |= {count_name(name): diversity.candidates, f"short_{name}": short}
        say(
            f"{name}: of {diversity.candidates} candidates a list, {short:,} of {join.rows:,} lists have fewer than {k} notes"
        )
    return found


def clean_up(join: Join) -> None:
    """Remove what `prepare` wrote."""
    if join.diversities:
        tables.remove(join.run.staging(_STAGED))


def _codebook(join: Join, rules: Mapping[str, DiverseConfig]) -> Codebook:
    run = join.run
    codebook = read_codebook(run.generation.uri(CODEBOOKS.name))
    entry = last_entry(run, CODES, "all")
    if codebook is None or entry is None or not tables.has_table(run.generation.uri(CODES)):
        raise NoCodesError(
            f"neighbours.tables.{next(iter(rules))} asks for diverse lists, and notes have no codes; run jobs/codes.py first"
        )
    if any(join.vectors.snapshot.versions.get(name) != version for name, version in entry["inputs"].items()):
        raise NoCodesError("codes are older than the embeddings; run jobs/codes.py before jobs/neighbours.py")
    for name, rule in rules.items():
        if rule.prefix > codebook.levels:
            raise NoCodesError(
                f"neighbours.tables.{name}.diverse.prefix is {rule.prefix}, and codebook {codebook.version} has "
                f"{codebook.levels} levels before the last code; ask for at most as many"
            )
    return codebook


def _write_prefixes(join: Join, codebook: Codebook) -> tuple[str, ...]:
    """Have Spark write KEYED of all notes; returns the files."""
    run = join.run
    uri = run.staging(_STAGED)
    packed = F.lit(0).cast("long")
    for level in range(codebook.levels):
        packed = packed * codebook.size + F.col("codes")[level]
    codes = tables.read_table(run.spark, run.generation.uri(CODES), join.codes_version)
    mine = codes.where(F.col("present") & (F.col("codebook") == codebook.version))
    items = join.vectors.snapshot.read("items").where("kind = 'note'").select("item_key", "note_id")
    with step("neighbours: codes of all notes"):
        coded = items.join(mine.select("note_id", packed.alias(KEYED[1])), "note_id").select(*KEYED)
        coded.write.mode("overwrite").parquet(uri)
    names = [name for name in lake_files.names_in(uri) if name.endswith(".parquet")]
    return tuple(lake_files.join(uri, name) for name in sorted(names))


def _measured(join: Join) -> dict[str, int]:
    """Return, by table, how many candidates fill a sample's lists."""
    k = join.run.config.neighbours.k
    with step(f"neighbours: how many candidates fill diverse lists, by {len(join.sample.keys):,} notes"):
        best = join.vectors.exact(join.sample.keys, join.sampled_vectors, max(k, MOST_CANDIDATES)).ids
    found = {}
    for name, diversity in join.diversities.items():
        groups = read_groups(diversity)
        own = np.where(best >= 0, groups.of(np.maximum(best, 0)), -1)
        found[name] = candidates_needed(own, diversity.at_most, k)
    return found
