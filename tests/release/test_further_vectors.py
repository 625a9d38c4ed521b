"""Neighbour tables of further sets of vectors, against brute force after nights on both sides; in releases, and erased."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import make_note, rows_at, write_source

import uninote
from uninote.errors import ConfigError, UninoteError
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.takedowns.orders import add, read_orders
from uninote.neighbours.lookup import lookup
from uninote.pipelines.lake.model_choice import current_generation
from uninote.pipelines.release.resume import resume
from uninote.pipelines.report.further_sets import further_tables
from uninote.pipelines.stages import STAGES, WANTED, run_stage
from uninote.releases.changes import roll_back
from uninote.releases.explaining import explain

pytestmark = pytest.mark.spark

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking")
K, WIDTH = 4, 16
SETTINGS = (
    f"neighbours.k={K}",
    "neighbours.full_share=0.5",
    "embed.widths=[64]",
    "index.nlist=4",
    "index.num_shards=2",
    "index.pq_m=8",
    "neighbours.tables={by_look: {embedding: look}, far: {embedding: look, never: {author: [a1]}}, others: {same: [author]}}",
)


def note(number):
    words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5))
    return make_note(f"n{number:02}", title=words, body=f"{words} {number}", author=f"a{number % 3}")


class Corpus:
    """Notes by number, and vectors of some of them, as the source and the second table have them."""

    def __init__(self, folder):
        self.folder, self.dice = folder, np.random.default_rng(1)
        self.notes, self.vectors = {}, {}

    def write(self, notes=(), vectors=(), gone=()):
        for number in notes:
            self.notes[number] = note(number)
        for number in vectors:
            self.vectors[number] = self.dice.normal(size=WIDTH)
        for number in gone:
            self.notes.pop(number, None)
        write_source(self.folder / "source", self.notes.values())
        table = {"id": [f"n{number:02}" for number in self.vectors], "seen": [*map(list, self.vectors.values())]}
        (self.folder / "look").mkdir(exist_ok=True)
        pq.write_table(pa.table(table), self.folder / "look" / "part.parquet")

    def lists(self, without=()):
        """The exact lists of all notes that have a vector, by rule: (ids, scores)."""
        held = sorted(set(self.notes) & set(self.vectors) - set(without))
        matrix = np.array([self.vectors[number] for number in held])
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        scores = matrix @ matrix.T
        np.fill_diagonal(scores, -np.inf)
        found = {"by_look": {}, "far": {}}
        for row, number in enumerate(held):
            for name in found:
                allowed = [one for one in range(len(held)) if one != row and (name == "by_look" or held[one] % 3 != 1)]
                best = sorted(allowed, key=lambda one: -scores[row, one])[:K]
                found[name][f"n{number:02}"] = [(f"n{held[one]:02}", scores[row, one]) for one in best]
        return found


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


@pytest.fixture
def run_of(make_run, corpus, quick_model):
    folder = corpus.folder
    named = f"embeddings={{look: {{table: {folder}/look, model: theirs, key: id, vector: seen}}}}"
    return lambda *more: make_run(f"ingest.source={folder}/source", *quick_model, *SETTINGS, named, *more)


def night(run, *names):
    wanted = [name for name in STAGES if name != "report" and (name not in WANTED or WANTED[name](run))]
    return {name: run_stage(run, name) for name in names or wanted}


def check(lake, corpus, without=()):
    for table, wanted in corpus.lists(without).items():
        every = [f"n{number:02}" for number in range(60)]
        found = lookup(lake, every, table)
        assert set(found) == set(wanted)
        for note_id, best in wanted.items():
            assert [one for one, _ in found[note_id]] == [one for one, _ in best]
            assert [score for _, score in found[note_id]] == pytest.approx([score for _, score in best], abs=1e-5)


@pytest.mark.more
def test_nights_on_both_sides_releases_takedowns_and_rollbacks(run_of, corpus):
    corpus.write(range(40), range(5, 45))
    run = run_of()
    first = night(run)
    lake, side = run.lake.root, run.embeddings["look"].generation
    assert first["embed"]["embeddings"]["look"]["quarantined"] == 5  # without a vector: no list, and counted
    assert {"by_look", "far", "others"} < set(first["neighbours"]["tables"])
    assert set(first["release"]["gates"].values()) <= {"passed", "skipped"}
    assert first["release"]["gates"]["neighbour_recall far of look"] == "passed"
    check(lake, corpus)
    opened = uninote.open_release(lake)
    assert opened.release.tables[f"{side.generation}/by_look"] == opened.tables["by_look"][1]
    assert all(row["strength"] is not None for row in rows_at(side.uri("by_look"))[0]["neighbours"])
    explained = explain(opened, "n10", lookup(lake, ["n10"], "by_look")["n10"][0][0], "by_look")
    assert (explained["rank"], explained["generation"]) == (1, side.generation)
    assert [(one.table, one.notes, one.without) for one in further_tables(run)] == [("by_look", 35, 5), ("far", 35, 5)]
    assert all(one.recall.recall == 1 for one in further_tables(run))
    assert current_generation(run.lake) == run.model.generation  # auto goes on with the model, not with the second set

    # Notes edited and gone, vectors changed, and new on either side: an update of the lists.
    corpus.write(notes=[40, 41], vectors=[3, 7, 41], gone=[9])
    second = night(run_of())
    assert second["neighbours"]["embeddings"]["look"]["state"] == "done"
    assert second["neighbours"]["embeddings"]["look"]["joined"] < 30
    check(lake, corpus)
    assert opened.lookup(["n09"], "by_look")
    assert not lookup(lake, ["n09"], "by_look")
    quiet = night(run_of(), "embed", "neighbours", "release")
    assert [quiet[name]["state"] for name in quiet] == ["unchanged"] * 3

    roll_back(lake)
    assert resume(run_of())
    third = night(run_of())
    assert third["neighbours"]["embeddings"]["look"]["state"] == "done"
    check(lake, corpus)

    add(lake, ["n12"], "why")
    night(run_of())
    assert [order.note_id for order in read_orders(lake)] == [None]  # erased, from the second set's tables as well
    check(lake, corpus, without=[12])
    assert read_pointer(lake).kept[0] > 1


def test_a_set_that_changes_its_model_is_made_anew_and_what_is_wrong_is_said(run_of, corpus):
    corpus.write(range(20), range(20))
    run = run_of()
    night(run, "ingest", "embed", "neighbours")
    check(run.lake.root, corpus)
    before = run.embeddings["look"].model.generation
    other = run_of("embeddings.look.model=another")
    assert other.embeddings["look"].model.generation != before
    night(other, "embed", "neighbours")
    assert len(rows_at(other.embeddings["look"].generation.uri("by_look"))) == 20
    with pytest.raises(UninoteError, match=r"embeddings.look.table .*/none does not exist"):
        night(run_of(f"embeddings.look.table={corpus.folder}/none"), "embed")
    with pytest.raises(ConfigError, match=r"embeddings.look.vector: .* has no column 'other'"):
        night(run_of("embeddings.look.vector=other"), "embed")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("neighbours.tables.by_look.embedding=none", "neighbours.tables.by_look.embedding is 'none', and the section"),
        (
            "embeddings.again={table: /x, model: theirs, vector: seen}",
            "embeddings.again and embeddings.look have the same",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(run_of, settings, said):
    with pytest.raises(ConfigError, match=said):
        run_of(settings)
