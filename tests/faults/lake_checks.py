"""What must hold in every lake, and when two lakes are equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from lake_reader import LakeReader, manifest_of, rows_of

from uninote.lake.releases.pointer import read_pointer
from uninote.releases.open_release import open_release
from uninote.serving.opening import open_store

COSINE = 1e-5
SCORE = 1e-3  # of a stored score against the vectors, which scores may have been rounded from
RECALL = 0.97  # of lists that were joined another way

Lists = Mapping[str, Sequence[tuple[str, float]]]


def check_after(stage: str, lake: Path, expected: Path, may_rename: bool) -> None:
    """Raise AssertionError unless the stage left in `lake` what it left in `expected`, an undisturbed one.

    `may_rename`: items may have other keys.
    """
    found, wanted = LakeReader(lake), LakeReader(expected)
    assert found.notes == wanted.notes
    if stage != "ingest":
        check_items(found)
        same_items(found, wanted, may_rename)
    if stage in ("index", "release", "report"):
        check_indexes(found)
    if stage in ("codes", "neighbours", "release", "report"):
        check_codes(found)
        assert found.codes() == wanted.codes()
    if stage in ("neighbours", "release", "report"):
        check_lists(found)
        same_lists(found, wanted)
    if stage in ("release", "report"):
        check_release(found)
    if stage == "report":
        for name in ("report.html", "map.html"):
            assert (lake / name).read_text(encoding="utf-8").rstrip().endswith("</html>")


def check_items(lake: LakeReader) -> None:
    """Notes are embedded or set aside; keys are unique; each width has a unit vector for exactly the items."""
    embedded = {row["note_id"] for row in lake.items.values() if row["kind"] == "note"}
    aside = {row["note_id"] for row in lake.set_aside.values() if row["kind"] == "note"}
    assert not embedded & aside
    assert embedded | aside == set(lake.notes)
    assert not set(lake.items) & set(lake.set_aside)
    keys = {row["item_key"]: row for row in lake.items.values()}
    assert len(keys) == len(lake.items)
    _, full = lake.vectors(lake.widths()[-1])
    for width in lake.widths():
        rows, matrix = lake.vectors(width)
        assert set(rows) == set(keys), f"w{width} has other items"
        assert matrix.shape == (len(keys), width)
        for key, row in rows.items():
            assert {name: keys[key][name] for name in row} == row
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=COSINE)
        prefix = full[:, :width] / np.linalg.norm(full[:, :width], axis=1, keepdims=True)
        np.testing.assert_allclose(matrix, prefix, atol=COSINE)


def check_release(lake: LakeReader) -> None:
    """Readers see one release whose tables and indexes belong together, and every kept one can be read."""
    root = str(lake.root)
    live = open_release(root)
    lists = live.table("neighbours").to_pyarrow_table()
    assert {row["note_id"]: len(row["neighbours"]) for row in lists.to_pylist()} == {
        owner: len(entries) for owner, entries in lake.lists("neighbours").items()
    }
    for number in read_pointer(root).kept:
        kept = open_release(root, number)
        items = kept.table("items").to_pyarrow_table()
        notes = items.filter(pc.equal(items["kind"], "note"))["note_id"].to_pylist()
        assert sorted(notes) == sorted(kept.table("neighbours").to_pyarrow_table()["note_id"].to_pylist())
        for name in kept.release.indexes:
            assert kept.index(int(name[1:])).verify()["live"] == len(items)


def same_release(lake: Path, expected: Path) -> None:
    """Raise AssertionError unless the live release has the undisturbed one's tables, with the rows that stand in them now."""
    found, wanted = open_release(str(lake)), open_release(str(expected))
    assert set(found.tables) == set(wanted.tables)
    assert set(found.release.indexes) == set(wanted.release.indexes)
    for name, (uri, _) in found.tables.items():
        pinned = Counter(map(repr, found.table(name).to_pyarrow_table().to_pylist()))
        assert pinned == Counter(map(repr, rows_of(Path(uri)))), (
            f"{name}: the release has other rows than the newest version"
        )
        assert pinned.total() == wanted.table(name).to_pyarrow_table().num_rows, f"{name} has more rows, or less"


def same_store(lake: Path, uri: str) -> None:
    """Raise AssertionError unless an online store has the lists of the live release, of all tables and no other notes."""
    live = open_release(str(lake))
    notes = sorted(live.table("notes").to_pyarrow_table()["note_id"].to_pylist())
    store = open_store(uri)
    try:
        assert store.state.live == live.id
        for name in neighbour_tables(LakeReader(lake)):
            found, wanted = store.get(notes, name), live.lookup(notes, name)
            assert {note: [other for other, _ in entries] for note, entries in found.items()} == {
                note: [other for other, _ in entries] for note, entries in wanted.items()
            }, f"the store has other lists of {name}"
    finally:
        store.close()


def same_items(found: LakeReader, wanted: LakeReader, may_rename: bool) -> None:
    """Raise AssertionError unless both lakes have the same items, set the same aside, and have equal vectors."""
    left_out = {"item_key"} if may_rename else set()
    for name in ("items", "set_aside"):
        rows = [
            {
                key: {column: value for column, value in row.items() if column not in left_out}
                for key, row in one.items()
            }
            for one in (getattr(found, name), getattr(wanted, name))
        ]
        assert rows[0] == rows[1], f"{name} differ"
    assert found.widths() == wanted.widths()
    for width in wanted.widths():
        mine, other = _vectors_by_id(found, width), _vectors_by_id(wanted, width)
        worst = min(float(mine[key] @ other[key]) for key in other)
        assert worst > 1 - COSINE, f"w{width}: a vector differs, cosine {worst}"


def check_indexes(lake: LakeReader) -> None:
    """The keys of an index are the items of its kinds."""
    for folder in (lake.generation / "index").iterdir():
        kinds = manifest_of(folder)["kinds"]
        items = sorted(row["item_key"] for row in lake.items.values() if row["kind"] in kinds)
        assert lake.index_keys(int(folder.name[1:])) == items


def check_codes(lake: LakeReader) -> None:
    """Notes that have a vector have one id, whose codes are those of the centroids nearest to it; no id is there twice."""
    rows = lake.codes()
    assert len({printed for printed, _, _ in rows}) == len(rows)
    ids = {note_id: printed for printed, note_id, present in rows if present}
    assert len(ids) == sum(present for _, _, present in rows)
    vectors = {
        note: vector for (note, kind), vector in _vectors_by_id(lake, lake.widths()[-1]).items() if kind == "note"
    }
    assert set(ids) == set(vectors)
    codebook = lake.codebook()
    for note_id, vector in vectors.items():
        assert ids[note_id].startswith(nearest_codes(codebook, vector))


def nearest_codes(codebook: Mapping[str, np.ndarray], vector: np.ndarray) -> str:
    """Return in print what a vector is coded as, the last code apart."""
    left = vector.astype(float) - codebook["centre"]
    printed = ""
    for letter, centroids, prices in zip("abcdefgh", codebook["centroids"], codebook["prices"], strict=False):
        code = int((np.square(left - centroids).sum(axis=1) + prices).argmin())
        left -= centroids[code]
        printed += f"<{letter}_{code}>"
    return printed


def check_lists(lake: LakeReader) -> None:
    """Notes that have a vector own a list of such notes, best first, with the scores that their vectors have."""
    notes = {row["note_id"] for row in lake.items.values() if row["kind"] == "note"}
    vectors = _vectors_by_id(lake, lake.widths()[-1])
    for name in neighbour_tables(lake):
        lists = lake.lists(name)
        assert set(lists) == notes, f"{name} has other owners"
        for owner, entries in lists.items():
            others = [other for other, _ in entries]
            assert set(others) <= notes - {owner}
            assert len(set(others)) == len(others)
            scores = [score for _, score in entries]
            assert scores == sorted(scores, reverse=True)
            true = [float(vectors[owner, "note"] @ vectors[other, "note"]) for other in others]
            np.testing.assert_allclose(scores, true, atol=SCORE)


def same_lists(found: LakeReader, wanted: LakeReader) -> None:
    """Raise AssertionError unless the lists are as good as the undisturbed ones, ties apart."""
    assert neighbour_tables(found) == neighbour_tables(wanted)
    for name in neighbour_tables(wanted):
        mine, other = found.lists(name), wanted.lists(name)
        for recall in (tie_aware_recall(mine, other), tie_aware_recall(other, mine)):
            assert recall >= RECALL, f"{name}: recall {recall} against an undisturbed run"
    assert found.duplicates() == wanted.duplicates()


def tie_aware_recall(found: Lists, truth: Lists) -> float:
    """Return the share of true entries that were found; one as good as the last true one counts as well."""
    hits = total = 0
    for owner, entries in truth.items():
        if entries:
            least = entries[-1][1] - SCORE
            hits += min(len(entries), sum(score >= least for _, score in found[owner]))
            total += len(entries)
    return hits / max(1, total)


def neighbour_tables(lake: LakeReader) -> list[str]:
    """Return the names of the tables of neighbours, by their private states."""
    return sorted(path.name for path in (lake.generation / "neighbour_state").iterdir())


def _vectors_by_id(lake: LakeReader, width: int) -> dict[tuple[str, str], np.ndarray]:
    rows, matrix = lake.vectors(width)
    return {(row["item_id"], row["kind"]): vector for row, vector in zip(rows.values(), matrix, strict=True)}
