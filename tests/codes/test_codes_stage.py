"""Nights of edits, deletions and returns: ids stay, are those of a plain model, and those of a rebuild."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from builders import arrow_rows, item_row, rows_at, write_vectors
from deltalake import DeltaTable

from uninote.codes.codebook import CodebookError
from uninote.codes.printing import print_codes
from uninote.codes.stored import read_codebook, read_codes
from uninote.lake.paths import embeddings_name
from uninote.lake.row_changes import DELETED, RowChanges
from uninote.lake.takedowns.orders import add
from uninote.pipelines.codes.stage import NEW_CODEBOOK, REBUILD, codes
from uninote.pipelines.embed.commit import versions
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Outcome, Run, last_entry, record
from uninote.vectors.widths import truncate

pytestmark = pytest.mark.spark

WIDTH = 16
SETTINGS = ("codes.levels=2", "codes.size=8", "codes.seed=3")


def draw(rows, seed=0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(6, WIDTH))
    drawn = centres[random.integers(6, size=rows)] + random.normal(scale=0.2, size=(rows, WIDTH))
    return truncate(drawn.astype("f4"), WIDTH)


def rounded(changed):
    """Return changed notes with vectors of unit length."""
    return [(note, truncate(vector[None], WIDTH)[0]) for note, vector in changed]


class Corpus:
    """Notes with vectors, as embed leaves them, night after night; and what a plain model says of their codes."""

    def __init__(self, make_run, count):
        self.make_run = make_run
        self.vectors = dict(enumerate(draw(count)))
        self.given = {}  # (note, prefix) -> last
        self.next = {}  # prefix -> next last
        write_vectors(self.run(), np.stack(list(self.vectors.values())))
        self.keys = count
        self.key_of = {note: note for note in self.vectors}

    def run(self, asked=None):
        made = self.make_run(*SETTINGS)
        return Run(made.spark, made.config, made.overrides, asked=asked)

    def night(self, changed=(), deleted=()):
        """Commit new vectors of notes, new notes and returning ones among them, and deletions."""
        run = self.run()
        uri = run.generation.uri(embeddings_name(WIDTH))
        for note in deleted:
            del self.vectors[note]
        gone = [item_row(run, self.key_of[note], np.zeros(WIDTH), "") for note in deleted]
        rows = []
        for note, vector in changed:
            if note not in self.vectors:
                self.key_of[note] = self.keys
                self.keys += 1
            self.vectors[note] = vector
            rows.append(item_row(run, self.key_of[note], vector, "x") | {"note_id": note, "item_id": str(note)})
        changes = arrow_rows(uri, rows + gone)
        marks = pa.array([False] * len(rows) + [True] * len(gone))
        RowChanges(uri, changes.append_column(DELETED, marks), ("item_key",)).apply()
        counts = {"notes_in": len(self.vectors) + 2}
        record(run, "embed", "all", Outcome("done", counts, {"notes": 0}, versions(run, (WIDTH,))), 0.0)
        if tables.has_table(run.generation.uri("codebooks")):
            self.plan(codebook_of(run))

    def plan(self, codebook):
        """Give out last codes as the docs say, one note after another."""
        for note in sorted(self.vectors):
            prefix = tuple(codebook.encode(self.vectors[note][None])[0].tolist())
            if (note, prefix) not in self.given:
                self.given[note, prefix] = self.next.get(prefix, 0)
                self.next[prefix] = self.given[note, prefix] + 1

    def expected(self, codebook):
        found = {}
        for note, vector in self.vectors.items():
            prefix = tuple(codebook.encode(vector[None])[0].tolist())
            found[note] = print_codes((*prefix, self.given[note, prefix]))
        return found


def codebook_of(run):
    return read_codebook(run.generation.uri("codebooks"))


def ids_of(run):
    found = read_codes(run.generation.uri("codes"), codebook_of(run).version)
    for row in found.to_pylist():
        assert row["id"] == print_codes(row["codes"])
    ids = dict(zip(found["note_id"].to_pylist(), found["id"].to_pylist(), strict=True))
    assert len(set(ids.values())) == len(ids) == len(found)
    return ids


def all_rows(run):
    rows = rows_at(run.generation.uri("codes"))
    assert len({(row["codebook"], row["id"]) for row in rows}) == len(rows)
    return sorted(
        (row["codebook"], row["id"], row["note_id"], row["present"]) for row in rows if row["note_id"] is not None
    )


def nights():
    """Yield (changed, deleted) of seven nights: edits large, small and taken back, deletions, returns, new notes."""
    first, fresh = draw(300), draw(400, seed=9)
    yield [(3, fresh[3]), (4, first[4] + np.float32(1e-4)), (300, fresh[300]), (301, fresh[301])], [10, 11, 12]
    yield [(10, first[10]), (302, fresh[302])], [300, 5]
    yield [(3, first[3]), (11, fresh[11])], []
    yield [], list(range(20, 60))
    yield [(note, first[note]) for note in range(59, 39, -1)], [301]
    yield [(300, fresh[300]), *((note, fresh[note]) for note in range(310, 340))], [0, 299]
    yield [(0, first[0]), (299, fresh[299]), (301, fresh[301])], [310, 302]


@pytest.mark.parametrize("count", [3, pytest.param(7, marks=pytest.mark.more)])
def test_nights_agree_with_a_plain_model_and_with_a_rebuild(make_run, count):
    corpus = Corpus(make_run, 300)
    first = codes(corpus.run())
    assert (first["state"], first["notes"], first["opened"]) == ("done", 300, 300)
    codebook = codebook_of(corpus.run())
    corpus.plan(codebook)
    assert ids_of(corpus.run()) == corpus.expected(codebook)
    before = ids_of(corpus.run())
    vectors = dict(corpus.vectors)
    for changed, deleted in list(nights())[:count]:
        corpus.night(rounded(changed), deleted)
        done = codes(corpus.run())
        ids = ids_of(corpus.run())
        assert ids == corpus.expected(codebook)
        same = [note for note in ids.keys() & before.keys() if np.array_equal(vectors.get(note), corpus.vectors[note])]
        assert len(same) > 200
        assert {note: ids[note] for note in same} == {note: before[note] for note in same}
        counted = (done["notes"], done["without_vector"], done["notes_coded"])
        assert counted == (len(corpus.vectors), 2, len(changed))
        assert codes(corpus.run())["state"] == "unchanged"
        rows = all_rows(corpus.run())
        again = codes(corpus.run(REBUILD))
        assert (again["state"], again["opened"], again["closed"], again["notes_coded"]) == ("done", 0, 0, len(ids))
        assert all_rows(corpus.run()) == rows
        before, vectors = {**before, **ids}, {**vectors, **corpus.vectors}


@pytest.mark.parametrize("partitions", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_rebuild_after_all_nights_is_what_the_nights_are(make_run, spark, partitions):
    corpus = Corpus(make_run, 300)
    codes(corpus.run())
    for changed, deleted in list(nights())[:3]:
        corpus.night(rounded(changed), deleted)
    run = corpus.run()
    by_feed_version = DeltaTable(run.generation.uri("codes")).version()
    codes(corpus.run())
    by_nights = all_rows(run)
    DeltaTable(run.generation.uri("codes")).restore(by_feed_version)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    try:
        codes(corpus.run(REBUILD))
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before)
    assert all_rows(run) == by_nights


def test_a_kill_before_the_ledger_changes_nothing(make_run, monkeypatch):
    corpus = Corpus(make_run, 300)
    codes(corpus.run())
    corpus.plan(codebook_of(corpus.run()))
    changed, deleted = next(nights())
    corpus.night(rounded(changed), deleted)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("uninote.pipelines.codes.stage.record", die)
        with pytest.raises(KeyboardInterrupt):
            codes(corpus.run())
    rows = all_rows(corpus.run())
    version = DeltaTable(corpus.run().generation.uri("codes")).version()
    assert codes(corpus.run())["opened"] == 0
    assert all_rows(corpus.run()) == rows
    assert DeltaTable(corpus.run().generation.uri("codes")).version() == version
    assert ids_of(corpus.run()) == corpus.expected(codebook_of(corpus.run()))


def test_a_note_that_is_taken_down_leaves_its_code_with_nobody(make_run):
    corpus = Corpus(make_run, 300)
    run = corpus.run()
    codes(run)
    was = ids_of(run)[17]
    add(run.lake.root, ["17"], "law")
    corpus.night([], [17])
    done = codes(corpus.run())
    assert done["hidden"] == 1
    (row,) = [row for row in rows_at(run.generation.uri("codes")) if row["id"] == was]
    assert (row["note_id"], row["present"]) == (None, False)
    assert 17 not in ids_of(run)
    twin = corpus.vectors[16]
    corpus.night([(400, draw(300)[17]), (401, twin)])
    codes(corpus.run())
    assert ids_of(run)[400] != was
    assert ids_of(run)[400].rsplit("<", 1)[0] == was.rsplit("<", 1)[0]
    codes(corpus.run(REBUILD))
    assert ids_of(run)[400] != was
    assert 17 not in ids_of(run)


def test_a_new_codebook_stands_beside_the_old_with_a_table_of_moves(make_run):
    corpus = Corpus(make_run, 300)
    codes(corpus.run())
    run = corpus.run()
    old = ids_of(run)
    fingerprint = codebook_of(run).fingerprint
    changed, deleted = next(nights())
    corpus.night(rounded(changed), deleted)
    done = codes(corpus.run(NEW_CODEBOOK))
    assert done["codebook"] == 2
    assert codebook_of(run).fingerprint != fingerprint
    assert read_codebook(run.generation.uri("codebooks"), codebook=1).fingerprint == fingerprint
    now = ids_of(run)
    assert now.keys() == corpus.vectors.keys()
    moves = {row["note_id"]: (row["from_id"], row["to_id"]) for row in rows_at(run.generation.uri("code_moves"))}
    assert moves == {note: (old[note], now[note]) for note in old.keys() & now.keys()}
    assert codes(corpus.run())["state"] == "unchanged"
    corpus.given, corpus.next = {}, {}
    corpus.plan(codebook_of(run))
    assert now == corpus.expected(codebook_of(run))


def test_drift_asks_for_a_new_codebook(make_run, capsys):
    corpus = Corpus(make_run, 400)
    codes(corpus.run())
    other = draw(300, seed=77)
    corpus.night([(1000 + number, vector) for number, vector in enumerate(other)])
    done = codes(corpus.run())
    entry = last_entry(corpus.run(), "codes", "all")
    assert done["drifted"] == 1
    assert entry["metrics"]["drift"] > 1.25
    assert "--new-codebook" in capsys.readouterr().err
    corpus.night([(2000, other[0])])
    assert codes(corpus.run())["drifted"] == 0


def test_what_cannot_be_coded_is_said(make_run):
    corpus = Corpus(make_run, 6)
    done = codes(corpus.run())
    assert done["state"] == "refused"
    assert "6 notes with a vector are fewer than the 8 codes" in done["refused"]
    corpus.night([(note, vector) for note, vector in enumerate(draw(40, seed=5))])
    assert codes(corpus.run())["notes"] == 40
    made = make_run(*SETTINGS, "codes.width=12")
    with pytest.raises(CodebookError, match=r"width 16, and these are of .* and 12"):
        codes(made)
