"""Each gate at its default: a planted fault just within it passes, and one just beyond it does not, on the files of a lake."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders import make_note, write_source
from deltalake import DeltaTable, write_deltalake

from uninote.index.files.manifest import publish_manifest
from uninote.index.files.records import Segment
from uninote.index.files.stored_file import StoredFile
from uninote.index.voided import write_voided
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import GateResult, read_release
from uninote.pipelines.neighbours.output.cell_rows import open_cell_rows
from uninote.pipelines.neighbours.planning.join import open_join
from uninote.pipelines.neighbours.recall import measure_recall
from uninote.pipelines.release.candidate import candidate
from uninote.pipelines.release.case import Case
from uninote.pipelines.release.gates import judge
from uninote.pipelines.stages import run_stage

pytestmark = [pytest.mark.spark, pytest.mark.more]

NOTES, EMPTY, K = 1000, 50, 4
EMBEDDED = NOTES - EMPTY
STAGES = ("ingest", "embed", "index", "neighbours", "release")
SETTINGS = (
    f"neighbours.k={K}",
    f"neighbours.recall_sample={NOTES}",
    "embed.widths=[64]",
    "embed.canaries=20",
    "embed.max_quarantined_share=1",
    "index.nlist=8",
    "index.num_shards=2",
    "index.pq_m=32",
)
WORDS = (
    "bread",
    "soup",
    "garden",
    "river",
    "temple",
    "ramen",
    "camera",
    "hiking",
    "museum",
    "noodle",
    "boots",
    "tea",
    "map",
)


def note(number: int, text: str = "") -> dict[str, object]:
    """Return a note; the last ones have nothing to embed."""
    if number >= EMBEDDED:
        return make_note(str(number), title="", body="")
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7))
    return make_note(str(number), title=f"{words} {number % 37}", body=f"{text} {number}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a lake with one release lies, that tests work on copies of, and its source."""
    return tmp_path_factory.mktemp("gates")


@pytest.fixture
def run_of(make_run, folder, quick_model, tmp_path):
    """Return a function from a name to a run on a copy of that lake, which is made on first use."""

    def run_on(lake: Path):
        return make_run(f"lake={lake}", f"ingest.source={folder}/source", *quick_model, *SETTINGS)

    if not (folder / "lake").exists():
        write_source(folder / "source", map(note, range(NOTES)))
        first = run_on(folder / "lake")
        for stage in STAGES:
            run_stage(first, stage)
    return lambda name: run_on(shutil.copytree(folder / "lake", tmp_path / name))


def case_of(run) -> Case:
    """Return what the stages of the lake left, beside its live release, to be judged."""
    return Case(run, candidate(run), read_release(run.lake.root, read_pointer(run.lake.root).live))


def found_by(case: Case) -> dict[str, GateResult]:
    return {gate.name: gate for gate in judge(case)}


def lists_of(run) -> dict[str, list[dict[str, object]]]:
    rows = DeltaTable(run.generation.uri("neighbours")).to_pyarrow_table().to_pylist()
    return {row["note_id"]: row["neighbours"] for row in rows}


def write_lists(run, lists) -> None:
    """Write a version of the neighbour table in which notes have these lists."""
    uri = run.generation.uri("neighbours")
    rows = DeltaTable(uri).to_pyarrow_table()
    stored = [{**row, "neighbours": lists[row["note_id"]]} for row in rows.to_pylist()]
    write_deltalake(uri, pa.Table.from_pylist(stored, rows.schema), mode="overwrite")


def change_notes(run, folder, changed: Callable[[int], dict[str, object]]) -> None:
    """Let ingest and embed take a source of changed notes, as the first stages of a night."""
    write_source(folder / "source", map(changed, range(NOTES)))
    for stage in ("ingest", "embed"):
        run_stage(run, stage)


def named(note_ids) -> str:
    """Return the condition that a note is one of these, of which there may be none."""
    return f"note_id in ({', '.join(map(repr, ('nobody', *note_ids)))})"


def lose_note(run, folder, faults):
    case = case_of(run)
    DeltaTable(run.lake.uri("notes")).delete(named(map(str, range(faults))))
    tables = {**case.release.tables, "notes": DeltaTable(run.lake.uri("notes")).version()}
    return replace(case, release=replace(case.release, tables=tables))


def lose_list(run, folder, faults):
    lists = lists_of(run)
    uri = run.generation.uri("neighbours")
    DeltaTable(uri).delete(named(list(lists)[:faults]))
    return case_of(run)


def shorten_lists(run, folder, faults):
    lists = lists_of(run)
    write_lists(
        run, {one: entries[:1] if place < faults else entries for place, (one, entries) in enumerate(lists.items())}
    )
    return case_of(run)


def replace_entries(run, folder, faults):
    """Put notes into lists that were in none of them, in the place of as many entries."""
    left = faults
    lists = lists_of(run)
    for place, (owner, entries) in enumerate(lists.items()):
        few = min(left, len(entries))
        strange = [{"note_id": f"{owner}-{place}-{number}", "score": 0.0} for number in range(few)]
        lists[owner] = [*entries[few:], *strange]
        left -= few
    write_lists(run, lists)
    return case_of(run)


def replace_entries_of_another_model(run, folder, faults):
    case = replace_entries(run, folder, faults)
    other = "0" * 16
    shutil.copytree(run.lake.uri(case.live.generation), run.lake.uri(other))
    tables = {path.replace(case.live.generation, other): version for path, version in case.live.tables.items()}
    return replace(case, live=replace(case.live, generation=other, tables=tables))


def make_hub(run, folder, faults):
    """Put one note into so many lists, and every other note into about as many as any."""
    owners = sorted(lists_of(run))
    lists = {}
    for place, owner in enumerate(owners):
        others = [owners[(place + step) % len(owners)] for step in range(1, K + 1)]
        if 2 * K <= place < 2 * K + faults:
            others[-1] = owners[0]
        lists[owner] = [{"note_id": other, "score": 0.5} for other in others]
    # Its own lists of the circle name it too: those of the last K owners.
    for owner in owners[-K:]:
        lists[owner] = [{**one, "note_id": owners[20]} if one["note_id"] == owners[0] else one for one in lists[owner]]
    write_lists(run, lists)
    return case_of(run)


def spoil_state(run, folder, faults):
    """Put the note itself, which is no neighbour, into so many places of the lists that were joined, and measure them."""
    uri = run.generation.uri("neighbour_state/neighbours")
    rows = DeltaTable(uri).to_pyarrow_table()
    keys = np.array([np.frombuffer(one, np.int64) for one in rows["neighbour_keys"].to_pylist()])
    mine = rows["item_key"].to_numpy()
    for fault in range(faults):
        keys[fault // K, fault % K] = mine[(fault // K + 500) % len(mine)]
    spoiled = pa.array([one.tobytes() for one in keys], rows.schema.field("neighbour_keys").type)
    place = rows.schema.get_field_index("neighbour_keys")
    write_deltalake(uri, rows.set_column(place, rows.schema.field(place), spoiled), mode="overwrite")
    case = case_of(run)
    join = open_join(run, case.snapshot)
    entry = case.entries["neighbours", "all"]
    recalls = measure_recall(join, {}, open_cell_rows(join, entry["counts"]["cells"], entry["outputs"]))
    return with_metrics(case, ("neighbours", "all"), recalls.metrics())


def void_in_index(run, folder, faults):
    """Let searches pass over so many notes that are there, and have the gate measure that."""
    case = case_of(run)
    index, manifest = case.manifest(64)
    path = Path(index.uri) / "voided.parquet"
    keys = DeltaTable(run.generation.uri("items")).to_pyarrow_table()["item_key"].to_numpy()
    write_voided(keys[:faults], path)
    content = path.read_bytes()
    stored = StoredFile(path.name, len(content), hashlib.sha256(content).hexdigest())
    since = Segment("planted", 0, (), faults, stored, manifest.base.versions)
    publish_manifest(index, replace(manifest, segments=(manifest.base, since)))
    return with_metrics(case_of(run), ("index", "w64"), {})


def with_metrics(case, unit, metrics):
    """Return the case with a ledger whose entry of a stage says what was measured."""
    found = Case(case.run, case.release, case.live)
    found.__dict__["entries"] = {**case.entries, unit: {**case.entries[unit], "metrics": metrics}}
    return found


def empty_notes(run, folder, faults):
    change_notes(run, folder, lambda number: note(number if number >= faults else NOTES - 1) | {"note_id": str(number)})
    return case_of(run)


def cut_texts(run, folder, faults):
    items = DeltaTable(run.generation.uri("items"))
    keys = sorted(items.to_pyarrow_table()["item_key"].to_pylist())[:faults]
    items.update({"tokens_cut": "7"}, predicate=f"item_key in ({', '.join(map(str, keys))})")
    change_notes(run, folder, lambda number: note(number, "edited" if number == 700 else ""))
    return case_of(run)


def turn_vector(run, folder, cosine):
    """Turn the vector of the note with the least key away from where it was, to a cosine; it is a canary, one of twenty."""
    uri = run.generation.uri("embeddings/w64")
    rows = DeltaTable(uri).to_pyarrow_table()
    vectors = np.array(rows["vector"].to_pylist(), np.float32)
    place = int(np.argmin(rows["item_key"].to_numpy()))
    aside = np.random.default_rng(1).normal(size=64)
    aside -= aside @ vectors[place] * vectors[place]
    vectors[place] = cosine * vectors[place] + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside)
    turned = pa.array(list(vectors), rows.schema.field("vector").type)
    at = rows.schema.get_field_index("vector")
    write_deltalake(uri, rows.set_column(at, rows.schema.field(at), turned), mode="overwrite")
    change_notes(run, folder, lambda number: note(number, "edited" if number == 700 else ""))
    return case_of(run)


ENTRIES = EMBEDDED * K


@pytest.mark.parametrize(
    ("gate", "plant", "within", "beyond"),
    [
        ("rows", lose_note, 0, 1),
        ("agreement", lose_list, 0, 1),
        ("neighbour_recall neighbours", spoil_state, int(0.05 * ENTRIES), int(0.05 * ENTRIES) + 1),
        ("index_recall w64", void_in_index, 60, 110),
        ("short_lists", shorten_lists, int(0.02 * EMBEDDED), int(0.02 * EMBEDDED) + 1),
        ("lost_neighbours neighbours", replace_entries, int(0.3 * ENTRIES), int(0.3 * ENTRIES) + 1),
        (
            "lost_neighbours neighbours",
            replace_entries_of_another_model,
            int(0.98 * ENTRIES) - 1,
            int(0.98 * ENTRIES) + 1,
        ),
        ("hub_share", make_hub, int(0.05 * EMBEDDED), int(0.05 * EMBEDDED) + 1),
        ("set_aside", empty_notes, 0, 1),
        ("more_cut", cut_texts, int(0.05 * EMBEDDED), int(0.05 * EMBEDDED) + 1),
        ("canaries", turn_vector, 0.985, 0.975),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_fault_just_within_a_default_passes_and_one_just_beyond_does_not(run_of, folder, gate, plant, within, beyond):
    found = [found_by(plant(run_of(name), folder, faults))[gate] for name, faults in (("in", within), ("out", beyond))]
    assert [one.state for one in found] == ["passed", "failed"], [one.finding for one in found]
