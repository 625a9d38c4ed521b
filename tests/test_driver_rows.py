"""What reaches the driver: every call that collects rows is listed here, with what bounds it.

A new call has to be added with its bound. GROWS has those that grow with what is stored or with what changed.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COLLECTING = {
    "collect",
    "toArrow",
    "toPandas",
    "toLocalIterator",
    "to_pyarrow_table",
    "to_pandas",
    "load_cdf",
}

FILES = "a row for each file or shard that tasks wrote or read"
ONE = "one row of sums"
KINDS = "a row for each kind, reason, bin, chunk or source file"
BRANCHES = "a row for each branch of codes: up to 512 of the first level, 512 below each"
SHOWN = "notes that a report shows or samples: a constant number, with K neighbours each"
SAMPLE = "a sample whose size is a setting or a constant, perhaps from each task"
CHANGED = "8 to 17 bytes for each changed item, of which there are at most change_feed.MOST_CHANGED"

BOUNDED = {
    ("uninote/lake/change_feed.py:changed_values", "load_cdf"): "one column of files of at most MOST_BYTES",
    ("uninote/lake/change_feed.py:read_feed", "load_cdf"): CHANGED,
    ("uninote/pipelines/codes_export.py:export_codes", "collect"): KINDS,
    ("uninote/pipelines/corpus_map/coded.py:flags", "toArrow"): BRANCHES,
    ("uninote/pipelines/corpus_map/coded.py:languages", "collect"): "three rows for each branch of the first level",
    ("uninote/pipelines/corpus_map/coded.py:sizes", "toArrow"): BRANCHES,
    ("uninote/pipelines/corpus_map/labels.py:labels", "toArrow"): BRANCHES,
    ("uninote/pipelines/corpus_map/pictures.py:pictures", "toArrow"): "typical.PICTURES thumbnails",
    ("uninote/pipelines/corpus_map/typical.py:_rows", "collect"): f"{BRANCHES}; eight for one of the first",
    ("uninote/pipelines/embed/steps/chunks.py:take_census", "collect"): KINDS,
    ("uninote/pipelines/embed/steps/chunks.py:take_first_census", "collect"): KINDS,
    ("uninote/pipelines/embed/steps/chunks.py:with_chunks", "collect"): "one row with a bound for each chunk",
    ("uninote/pipelines/embed/foreign/accounting.py:account", "collect"): ONE,
    ("uninote/pipelines/embed/guards/canaries.py:_content", "collect"): "embed.canaries notes",
    (
        "uninote/pipelines/embed/guards/devices.py:_as_tasks_get_them",
        "toArrow",
    ): "devices.ITEMS items with their content",
    ("uninote/pipelines/embed/guards/devices.py:pilot", "toArrow"): "vectors of devices.ITEMS items",
    ("uninote/pipelines/embed/guards/canaries.py:_touched", "toArrow"): "keys below embed.canaries x KEYS",
    (
        "uninote/pipelines/embed/steps/model_run.py:Tasks.answer",
        "toArrow",
    ): "vectors of at most small_changes.MOST_NOTES notes",
    ("uninote/pipelines/embed/guards/health.py:measure", "collect"): ONE,
    ("uninote/pipelines/embed/keys.py:_starts", "collect"): "a count for each bucket of ROWS_PER_BUCKET new items",
    ("uninote/pipelines/embed/steps/outcomes.py:outcomes", "collect"): KINDS,
    ("uninote/pipelines/embed/steps/recovery.py:_digest", "collect"): ONE,
    ("uninote/pipelines/index/build.py:Build._shards_by_tasks", "collect"): FILES,
    ("uninote/pipelines/index/build.py:Build._train_in_groups", "toArrow"): "the centroids of the index",
    ("uninote/pipelines/index/changes.py:_keys_of", "toArrow"): CHANGED,
    ("uninote/pipelines/index/owner.py:_names_our_notes", "collect"): SAMPLE,
    ("uninote/pipelines/index/query_bank.py:_embedded", "toArrow"): "vectors of search.bank_size queries",
    ("uninote/pipelines/index/search.py:_counts", "collect"): ONE,
    (
        "uninote/pipelines/lake/reading/file_rows.py:FileRows.collect",
        "toArrow",
    ): "what its callers, listed here, ask for",
    (
        "uninote/pipelines/lake/reading/stored_vectors.py:StoredVectors.count",
        "collect",
    ): "kinds of at most 16 MiB",
    ("uninote/pipelines/lake/reading/stored_vectors.py:StoredVectors.draw", "collect"): SAMPLE,
    (
        "uninote/pipelines/lake/reading/stored_vectors.py:StoredVectors.exact",
        "collect",
    ): "K neighbours of a sample",
    (
        "uninote/pipelines/lake/reading/stored_vectors.py:StoredVectors.held",
        "collect",
    ): "a sample and K neighbours of it, or at most rows.MOST_ROWS rows of an index",
    ("uninote/pipelines/lake/reading/stored_vectors.py:StoredVectors.sample", "collect"): SAMPLE,
    ("uninote/pipelines/codes/changed.py:_encode", "collect"): "at most changed.MOST_NOTES notes of a feed",
    (
        "uninote/pipelines/codes/changed.py:_read_feed",
        "load_cdf",
    ): "ids and keys of a feed of at most changed._MOST_BYTES",
    ("uninote/pipelines/codes/measuring.py:_counts", "collect"): "a row for each code of each level",
    ("uninote/pipelines/codes/whole.py:_update", "collect"): ONE,
    ("uninote/pipelines/matching/gallery/known_files.py:remember_files", "collect"): ONE,
    ("uninote/pipelines/matching/comparison.py:best_scores", "collect"): "a row for each bin of each pair of kinds",
    ("uninote/pipelines/matching/comparison.py:gallery_groups", "collect"): KINDS,
    ("uninote/pipelines/matching/gallery/bring_up.py:_changes", "collect"): "a row for each category of the gallery",
    ("uninote/pipelines/matching/gallery/entries.py:check_ids", "collect"): "five ids",
    ("uninote/pipelines/matching/gallery/bring_up.py:_counted", "collect"): ONE,
    ("uninote/pipelines/matching/gallery/bring_up.py:_states", "collect"): ONE,
    (
        "uninote/pipelines/matching/near_copies.py:_entries",
        "toArrow",
    ): "32 bytes and an id for each image of the gallery",
    (
        "uninote/pipelines/matching/rates.py:read_judged",
        "collect",
    ): "an id and a category for each entry of the gallery",
    ("uninote/pipelines/matching/rates.py:best_bins", "toArrow"): "a row for each item of the notes that people judged",
    ("uninote/pipelines/matching/publish.py:_counted", "collect"): KINDS,
    ("uninote/pipelines/matching/publish.py:_standing", "collect"): KINDS,
    ("uninote/pipelines/matching/scope.py:keys_of", "toArrow"): CHANGED,
    ("uninote/pipelines/lake/tables.py:_apply_here", "toArrow"): "at most row_changes.MOST_ROWS rows",
    ("uninote/pipelines/neighbours/planning/join.py:Join.attributes_of", "toArrow"): SAMPLE,
    ("uninote/pipelines/neighbours/changes.py:_crossed_age", "toArrow"): CHANGED,
    (
        "uninote/pipelines/neighbours/update.py:_read_limits",
        "collect",
    ): f"{FILES}; keys of short lists, see MOST_CHANGED",
    ("uninote/pipelines/neighbours/output/files.py:collect_files", "collect"): FILES,
    ("uninote/pipelines/neighbours/output/publish.py:hub_skewness", "collect"): ONE,
    ("uninote/pipelines/neighbours/recall.py:_search_by_rules", "toArrow"): "K neighbours of a sample, from each cell",
    ("uninote/pipelines/neighbours/recall.py:listed", "collect"): "K neighbours of a sample",
    ("uninote/pipelines/notes/images/image_bytes.py:stored_images", "collect"): "the images of one note",
    ("uninote/pipelines/notes/images/image_reading.py:_read_chunk", "collect"): ONE,
    ("uninote/pipelines/notes/images/image_texts.py:_wanted", "collect"): ONE,
    ("uninote/pipelines/notes/note_ids.py:check_note_ids", "collect"): "one row of sums, and EXAMPLES of ids",
    ("uninote/pipelines/notes/source/inspection.py:_inspect_text", "collect"): "a row for each piece of a source file",
    ("uninote/pipelines/notes/source/rows.py:_account", "collect"): KINDS,
    ("uninote/pipelines/notes/stage.py:_write", "collect"): KINDS,
    ("uninote/pipelines/report/duplicates.py:_members", "toArrow"): SHOWN,
    ("uninote/pipelines/report/duplicates.py:_texts", "collect"): SHOWN,
    ("uninote/pipelines/report/duplicates.py:duplicates", "collect"): ONE,
    ("uninote/pipelines/report/examples.py:find_examples", "collect"): SHOWN,
    ("uninote/pipelines/report/quality.py:_groups", "toArrow"): SHOWN,
    ("uninote/pipelines/report/quality.py:_notes", "toArrow"): SHOWN,
    ("uninote/pipelines/report/quality.py:_sample", "toArrow"): SHOWN,
    ("uninote/pipelines/report/quarantine.py:quarantine_reasons", "collect"): KINDS,
    ("uninote/pipelines/report/stage.py:_reconciliation", "collect"): ONE,
    ("uninote/pipelines/report/similarity.py:score_histograms", "collect"): KINDS,
    ("uninote/pipelines/training/assembly.py:Ranges.of", "collect"): "a row for each of 4,096 ranges of hashes",
    ("uninote/pipelines/training/groups.py:group_counts", "collect"): ONE,
    ("uninote/pipelines/training/scoring.py:_counted", "collect"): KINDS,
    ("uninote/pipelines/training/sources.py:_sample", "collect"): ONE,
    ("uninote/pipelines/training/teacher.py:_answered", "collect"): KINDS,
    ("uninote/pipelines/training/teacher.py:_windows", "toArrow"): KINDS,
    ("uninote/pipelines/training/training_set.py:_counts", "collect"): KINDS,
    ("uninote/pipelines/training/training_set.py:_leaks", "collect"): ONE,
    ("uninote/pipelines/training/training_set.py:_make", "collect"): ONE,
}
GROWS = {
    ("uninote/pipelines/embed/guards/damage.py:_find", "collect"): "the keys of damaged vectors",
}
TWICE = {
    "uninote/pipelines/notes/note_ids.py:check_note_ids",
    "uninote/pipelines/notes/source/rows.py:_account",
    "uninote/pipelines/report/duplicates.py:_members",
    "uninote/pipelines/report/duplicates.py:duplicates",
    "uninote/pipelines/report/examples.py:find_examples",
    "uninote/pipelines/report/similarity.py:score_histograms",
}


def calls() -> Counter[tuple[str, str]]:
    """Count the collecting calls by (file and function, method)."""
    found: Counter[tuple[str, str]] = Counter()
    for folder in ("uninote", "udfs", "jobs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            visitor = _Visitor(path.relative_to(ROOT).as_posix(), found)
            visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


class _Visitor(ast.NodeVisitor):
    def __init__(self, path: str, found: Counter[tuple[str, str]]) -> None:
        self._path = path
        self._found = found
        self._names: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        # Not calls alone: a method may be handed on.
        if node.attr in COLLECTING:
            self._found[f"{self._path}:{'.'.join(self._names)}", node.attr] += 1
        self.generic_visit(node)


def test_each_call_that_collects_rows_has_a_bound():
    listed = BOUNDED | GROWS
    found = calls()
    unknown = sorted(set(found) - set(listed))
    assert not unknown, f"say in this file what bounds the rows that these calls bring to the driver: {unknown}"
    assert not sorted(set(listed) - set(found)), "calls that are listed and not there any more"
    assert not BOUNDED.keys() & GROWS.keys()


def test_a_further_call_in_a_listed_function_is_seen():
    assert {place for (place, _), count in calls().items() if count > 1} == TWICE
    assert max(calls().values()) == 2


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("def f(x):\n    return x.collect()", {("a.py:f", "collect"): 1}),
        ("class A:\n    def f(self):\n        return list(map(x.toArrow, y))", {("a.py:A.f", "toArrow"): 1}),
        ("rows = x.toPandas() + x.toPandas()", {("a.py:", "toPandas"): 2}),
        ("def collect(x):\n    return x.count()", {}),
    ],
)
def test_calls_are_seen(text, seen):
    found: Counter[tuple[str, str]] = Counter()
    _Visitor("a.py", found).visit(ast.parse(text))
    assert found == seen
