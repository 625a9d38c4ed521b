"""A shard file is plain FAISS, holds what it was given and nothing else, and is whole or absent."""

from __future__ import annotations

from dataclasses import replace

import faiss
import numpy as np
import pytest
from segments import key_rows

from uninote.index.note_keys import NoteKeys
from uninote.index.shard_builder import ShardBuilder, ShardError
from uninote.index.template.training import train_template
from uninote.storage.file_hashes import sha256_of


@pytest.fixture
def cells_of(corpus):
    """Return the cells of a shard."""
    cell_shard = corpus.template.pack(corpus.plan.num_shards)
    return lambda shard: np.flatnonzero(cell_shard == shard)


@pytest.fixture
def rows_of_shard_2(corpus, cells_of):
    lists = corpus.template.assign(corpus.vectors)
    mine = np.flatnonzero(np.isin(corpus.template.list_cell[lists], cells_of(2)))
    return corpus.keys[mine], corpus.vectors[mine], lists[mine]


def fill(builder, keys, vectors, lists, step=100):
    for start in range(0, len(keys), step):
        part = slice(start, start + step)
        builder.add(key_rows(keys[part]), vectors[part], lists[part])
    return builder


def ids_by_list(index, lists):
    stored = index.invlists
    return {
        int(name): faiss.rev_swig_ptr(stored.get_ids(i), stored.list_size(i)).tolist() for i, name in enumerate(lists)
    }


@pytest.mark.parametrize("flags", [0, faiss.IO_FLAG_MMAP])
def test_faiss_reads_a_shard_and_finds_each_row_in_its_list(corpus, rows_of_shard_2, cells_of, folder, flags):
    keys, vectors, lists = rows_of_shard_2
    shard = fill(ShardBuilder(corpus.template, 2, cells_of(2)), *rows_of_shard_2).finish(folder, "some-name")
    index = faiss.read_index(str(folder.local(shard.index.name)), flags)
    held = NoteKeys(folder.local(shard.keys.name)).lists
    assert ids_by_list(index, held) == {name: keys[lists == name].tolist() for name in held}
    np.testing.assert_array_equal(
        index.quantizer.reconstruct_n(0, index.nlist), corpus.template.centroids.centres[held]
    )
    index.nprobe = index.nlist
    assert (index.search(vectors, 1)[1][:, 0] == keys).mean() > 0.99


def test_faiss_rotates_by_itself_where_the_template_does(corpus, folder):
    template = train_template(corpus.vectors, replace(corpus.plan, opq=True), 3)
    rotated = template.rotate(corpus.vectors)
    cells = np.arange(template.num_cells)
    builder = fill(ShardBuilder(template, 0, cells), corpus.keys, rotated, template.assign(rotated))
    index = faiss.read_index(str(folder.local(builder.finish(folder, "all").index.name)))
    faiss.extract_index_ivf(index).nprobe = 8
    assert (index.search(corpus.vectors[:300], 1)[1][:, 0] == corpus.keys[:300]).mean() > 0.99


def test_the_record_describes_the_files(corpus, rows_of_shard_2, cells_of, folder):
    shard = fill(ShardBuilder(corpus.template, 2, cells_of(2)), *rows_of_shard_2).finish(folder, "some-name")
    assert set(folder.sizes()) == {"some-name.faiss", "some-name.keys.arrow"}
    assert (shard.rows, shard.cells) == (len(rows_of_shard_2[0]), tuple(cells_of(2)))
    for file in (shard.index, shard.keys):
        path = folder.local(file.name)
        assert (file.bytes, file.sha256) == (path.stat().st_size, sha256_of(path))


def test_keys_lead_to_their_notes(corpus, rows_of_shard_2, cells_of, folder):
    shard = fill(ShardBuilder(corpus.template, 2, cells_of(2)), *rows_of_shard_2).finish(folder, "some-name")
    notes = NoteKeys(folder.local(shard.keys.name))
    assert np.array_equal(notes.keys, np.sort(rows_of_shard_2[0]))
    positions = notes.positions(np.sort([*rows_of_shard_2[0][:5], 5]))
    assert set(notes.note_ids(positions)) == {f"n{key}" for key in rows_of_shard_2[0][:5]}


def test_a_few_rows_do_not_carry_the_centroids_of_all_lists(corpus, folder):
    keys, vectors = corpus.keys[:3], corpus.vectors[:3]
    lists = corpus.template.assign(vectors)
    builder = ShardBuilder(corpus.template, 0, np.arange(corpus.template.num_cells))
    shard = fill(builder, keys, vectors, lists).finish(folder, "few")
    index = faiss.read_index(str(folder.local(shard.index.name)))
    assert (index.nlist, index.ntotal) == (len(set(lists)), 3)
    assert set(index.search(vectors, 1)[1][:, 0]) <= set(keys)


def test_the_planned_bytes_are_about_the_real_ones(published, corpus):
    real = sum(shard.index.bytes for shard in published.manifest.shards) / corpus.plan.num_shards
    assert 0.9 < corpus.plan.bytes_per_shard / real < 1.1


def test_the_same_rows_give_the_same_bytes(corpus, rows_of_shard_2, cells_of, folder):
    shards = [
        fill(ShardBuilder(corpus.template, 2, cells_of(2)), *rows_of_shard_2).finish(folder, name) for name in "ab"
    ]
    assert shards[0].index.sha256 == shards[1].index.sha256
    assert shards[0].keys.sha256 == shards[1].keys.sha256


def test_a_shard_without_rows_is_refused(corpus, cells_of, folder):
    with pytest.raises(ShardError, match="shard 0 has no rows"):
        ShardBuilder(corpus.template, 0, cells_of(0)).finish(folder, "empty")


def test_a_write_that_fails_leaves_no_half_file(corpus, rows_of_shard_2, cells_of, folder, monkeypatch):
    def fail_half_way(_index, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(faiss, "write_index", fail_half_way)
    with pytest.raises(RuntimeError, match="disk full"):
        fill(ShardBuilder(corpus.template, 2, cells_of(2)), *rows_of_shard_2).finish(folder, "shard")
    assert set(folder.sizes()) == {"shard.keys.arrow"}


def test_rows_of_another_shard_are_refused(corpus, rows_of_shard_2, cells_of):
    with pytest.raises(ShardError, match="shard 1 was given lists"):
        fill(ShardBuilder(corpus.template, 1, cells_of(1)), *rows_of_shard_2)


def test_negative_keys_keys_that_come_twice_and_uneven_columns_are_refused(corpus, rows_of_shard_2, cells_of, folder):
    keys, vectors, lists = rows_of_shard_2
    builder = ShardBuilder(corpus.template, 2, cells_of(2))
    with pytest.raises(ShardError, match="smallest: -1"):
        builder.add(key_rows(np.full(len(keys), -1)), vectors, lists)
    with pytest.raises(ShardError, match="one each is due"):
        builder.add(key_rows(keys[1:]), vectors, lists)
    fill(builder, keys[[0, 0]], vectors[[0, 0]], lists[[0, 0]])
    with pytest.raises(ValueError, match="a key comes twice"):
        builder.finish(folder, "twice")
