"""Neighbours by day: the store's list, or a search under the table's rule."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import unpack
from deltalake import DeltaTable
from pushes import push

from uninote.config.sections.neighbours import RuleConfig
from uninote.index.files.folder import IndexFolder
from uninote.index.search import Index
from uninote.neighbours.lookup import lookup
from uninote.notes.note import Note
from uninote.search.query import encoder_of
from uninote.serving.day_path import DayPath, ListRule, NewNote
from uninote.serving.layout import StoreError
from uninote.serving.opening import open_store

ARCHIVE = Path(__file__).parents[1] / "golden" / "lake-4.tar.xz"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A lake with an index, its encoder, and its notes by id."""
    folder = tmp_path_factory.mktemp("lake")
    unpack(ARCHIVE, folder)
    (place,) = folder.glob("lake/*/index/w64")
    index = Index.open(place)
    encoder = encoder_of(IndexFolder(str(place)), index.manifest.generation, str(folder / "checkpoint"))
    rows = DeltaTable(str(folder / "lake" / "notes")).to_pyarrow_table().to_pylist()
    return SimpleNamespace(
        root=str(folder / "lake"), index=index, encoder=encoder, notes={row["note_id"]: row for row in rows}
    )


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"lmdb://{tmp_path}/store", create=True)
    yield opened
    opened.close()


def day_path(lake, store, k=5, duplicate_score=0.995, **rule) -> DayPath:
    wanted = ListRule("neighbours", RuleConfig(**rule), k, duplicate_score)
    return DayPath(store, lake.index, lake.encoder, wanted)


def new(lake, note_id: str, **fields) -> NewNote:
    row = lake.notes[note_id]
    attributes = {name: row[name] for name in ("category", "author", "language", "visibility") if row[name]}
    return NewNote(Note(row["title"] or "", row["body"] or ""), note_id, (), attributes | fields)


def ids(found) -> list:
    return [note_id for note_id, _ in found]


def test_a_note_with_a_list_is_not_searched_for(lake, store):
    push(store, 1, {"n7": [("n9", 0.25)], "n8": []})
    path = day_path(lake, store)
    assert path.neighbours_of(new(lake, "n7")) == [("n9", 0.25)]
    assert path.neighbours_of(new(lake, "n8")) == []


def test_a_note_without_a_list_is_searched_for_and_never_finds_itself(lake, store):
    found = day_path(lake, store).neighbours_of(new(lake, "n7"))
    assert len(found) == 5
    assert "n7" not in ids(found)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    listed = lookup(lake.root, ["n7"])["n7"]
    # The lists are joined at another width, so that not all of them are the same.
    assert len({*ids(found)} & {*ids(listed)}) >= 3
    everything = day_path(lake, store, k=1000).neighbours_of(NewNote(Note("a day hike", "")))
    assert sorted(ids(everything)) == sorted(lookup(lake.root, list(lake.notes)))


def test_hidden_notes_are_neither_asked_for_nor_found(lake, store):
    path = day_path(lake, store)
    first, *others = ids(path.neighbours_of(new(lake, "n7")))
    store.hide([first])
    found = ids(path.neighbours_of(new(lake, "n7")))
    assert first not in found
    assert found[:4] == others
    assert len(found) == 5
    assert path.neighbours_of(new(lake, first)) == []


def test_rules_of_attributes_hold(lake, store):
    categories = {note_id: row["category"] for note_id, row in lake.notes.items()}
    asked = next(note_id for note_id, category in categories.items() if category is not None)
    mine = categories[asked]
    same = day_path(lake, store, same=["category"]).neighbours_of(new(lake, asked))
    assert {categories[one] for one in ids(same)} == {mine}
    different = day_path(lake, store, different=["category"]).neighbours_of(new(lake, asked))
    assert mine not in {categories[one] for one in ids(different)}
    never = day_path(lake, store, never={"category": [mine]}).neighbours_of(new(lake, asked))
    assert never == different
    only = day_path(lake, store, only={"category": [mine]}).neighbours_of(new(lake, asked))
    assert only == same
    nameless = NewNote(Note("a day hike", ""))
    assert day_path(lake, store, same=["category"]).neighbours_of(nameless) == []
    assert len(day_path(lake, store, different=["category"]).neighbours_of(nameless)) == 5


def test_rules_of_scores_hold(lake, store):
    found = day_path(lake, store, k=8).neighbours_of(new(lake, "n7"))
    third = found[2][1]
    assert day_path(lake, store, min_score=third).neighbours_of(new(lake, "n7")) == [
        pair for pair in found if pair[1] >= third
    ]
    excluded = day_path(lake, store, duplicate_score=third, duplicates="exclude").neighbours_of(new(lake, "n7"))
    assert excluded == [pair for pair in found if pair[1] < third][:5]


@pytest.mark.parametrize("rule", [{"fresh_days": 3}, {"duplicates": "collapse"}])
def test_rules_that_no_index_can_obey_are_refused(lake, store, rule):
    with pytest.raises(StoreError, match="which no index knows"):
        day_path(lake, store, **rule)
