"""A shard file is plain FAISS, holds what it was given and nothing else, and is whole or absent."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from uninote.index.files import sha256_of
from uninote.index.shard import ShardBuilder, ShardError


@pytest.fixture
def rows_of_shard_2(corpus):
    lists = corpus.template.assign(corpus.vectors)
    mine = np.flatnonzero(corpus.template.shard_of_list[lists] == 2)
    return corpus.keys[mine], corpus.vectors[mine], lists[mine]


def ids_by_list(index, lists):
    stored = index.invlists
    return {
        int(name): faiss.rev_swig_ptr(stored.get_ids(i), stored.list_size(i)).tolist() for i, name in enumerate(lists)
    }


@pytest.mark.parametrize("flags", [0, faiss.IO_FLAG_MMAP])
def test_faiss_reads_a_shard_and_finds_each_row_in_its_list(corpus, rows_of_shard_2, tmp_path, flags):
    keys, vectors, lists = rows_of_shard_2
    builder = ShardBuilder(corpus.template, 2)
    for start in range(0, len(keys), 100):
        builder.add(*(part[start : start + 100] for part in rows_of_shard_2))
    shard = builder.finish(tmp_path, "some-name")
    index = faiss.read_index(str(tmp_path / shard.file), flags)
    assert ids_by_list(index, shard.lists) == {name: keys[lists == name].tolist() for name in shard.lists}
    np.testing.assert_array_equal(
        index.quantizer.reconstruct_n(0, index.nlist), corpus.template.centroids[list(shard.lists)]
    )
    index.nprobe = index.nlist
    assert (index.search(vectors, 1)[1][:, 0] == keys).mean() > 0.9


def test_the_record_describes_the_file(corpus, rows_of_shard_2, tmp_path):
    builder = ShardBuilder(corpus.template, 2)
    builder.add(*rows_of_shard_2)
    shard = builder.finish(tmp_path, "some-name")
    path = tmp_path / "some-name.faiss"
    assert [found.name for found in tmp_path.iterdir()] == [shard.file] == [path.name]
    assert (shard.rows, shard.bytes, shard.sha256) == (len(rows_of_shard_2[0]), path.stat().st_size, sha256_of(path))
    assert shard.lists == tuple(np.flatnonzero(corpus.template.shard_of_list == 2))
    assert shard.cells == tuple(np.unique(corpus.template.list_cell[list(shard.lists)]))


def test_the_planned_bytes_are_about_the_real_ones(published, corpus):
    real = sum(shard.bytes for shard in published.manifest.shards) / corpus.plan.num_shards
    assert 0.9 < corpus.plan.bytes_per_shard / real < 1.1


def test_the_same_rows_give_the_same_bytes(corpus, rows_of_shard_2, tmp_path):
    shards = []
    for name in ("a", "b"):
        builder = ShardBuilder(corpus.template, 2)
        builder.add(*rows_of_shard_2)
        shards.append(builder.finish(tmp_path, name))
    assert shards[0].sha256 == shards[1].sha256


def test_a_shard_without_rows_is_legal(corpus, tmp_path):
    builder = ShardBuilder(corpus.template, 0)
    builder.add(np.empty(0, np.int64), np.empty((0, 32), np.float32), np.empty(0, np.int32))
    shard = builder.finish(tmp_path, "empty")
    assert shard.rows == faiss.read_index(str(tmp_path / shard.file)).ntotal == 0


def test_a_write_that_fails_leaves_nothing(corpus, tmp_path, monkeypatch):
    def fail_half_way(_index, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(faiss, "write_index", fail_half_way)
    with pytest.raises(RuntimeError, match="disk full"):
        ShardBuilder(corpus.template, 0).finish(tmp_path, "shard")
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_shard_are_refused(corpus, rows_of_shard_2):
    with pytest.raises(ShardError, match="shard 1 was given lists"):
        ShardBuilder(corpus.template, 1).add(*rows_of_shard_2)


def test_a_shard_that_the_template_does_not_know_is_refused(corpus):
    with pytest.raises(ShardError, match="shard 5 is not in the template; its shards are 0 to 4"):
        ShardBuilder(corpus.template, 5)


def test_negative_keys_and_uneven_columns_are_refused(corpus, rows_of_shard_2):
    keys, vectors, lists = rows_of_shard_2
    builder = ShardBuilder(corpus.template, 2)
    with pytest.raises(ShardError, match="smallest: -1"):
        builder.add(np.full(len(keys), -1), vectors, lists)
    with pytest.raises(ShardError, match="one each is due"):
        builder.add(keys[1:], vectors, lists)
