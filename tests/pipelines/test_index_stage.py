"""The index stage: built once, updated again and again, resumed after a kill, and searched by a job."""

from __future__ import annotations

import numpy as np
import pytest
from lake_updates import Lake

from uninote.errors import ConfigError
from uninote.index.files.manifest import read_manifest
from uninote.index.note_keys import Constraint
from uninote.index.search import Index
from uninote.lake.paths import embeddings_name
from uninote.lake.schemas import embeddings_table
from uninote.pipelines.index import build as index_build
from uninote.pipelines.index import rows as index_rows
from uninote.pipelines.index.search import search
from uninote.pipelines.index.stage import index
from uninote.pipelines.index.target import index_folder
from uninote.pipelines.lake import tables

pytestmark = pytest.mark.spark

WIDTH, ROWS = 16, 600
SETTINGS = ("embed.widths=[16]", "embed.undeclared_widths=true", "index.nlist=12", "index.num_shards=3", "index.pq_m=8")


def unit_vectors(rows, seed):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((12, WIDTH))
    vectors = centres[generator.integers(0, 12, rows)] + 0.5 * generator.standard_normal((rows, WIDTH))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def run_of(make_run):
    return lambda *overrides: make_run(*SETTINGS, *overrides)


@pytest.fixture
def lake(run_of):
    """A lake of ROWS notes."""
    return Lake(run_of, unit_vectors(ROWS, 0))


def check(run, vectors, least=0.92, slack=0.0):
    """Compare what the index finds with what is live: whose score is that of the fifth at least, less `slack`."""
    opened = Index.open(index_folder(run, WIDTH))
    assert opened.verify()["live"] == len(vectors)
    keys, live = np.array(sorted(vectors)), np.array([vectors[key] for key in sorted(vectors)])
    found, _ = opened.search(live[::7], 5, nprobe=12)
    assert set(found.ravel().tolist()) <= set(vectors)
    scores = live[::7] @ live.T
    fifth = np.sort(scores, axis=1)[:, -5, None]
    assert np.mean(np.take_along_axis(scores, np.searchsorted(keys, found), axis=1) >= fifth - slack) > least
    return opened


@pytest.mark.parametrize("held_rows", [0, index_rows.MOST_ROWS], ids=["tasks", "here"])
def test_updates_become_segments_and_segments_a_base_again(run_of, lake, held_rows, monkeypatch):
    monkeypatch.setattr(index_rows, "MOST_ROWS", held_rows)
    run = run_of()
    built = index(run)
    assert built["indexes"]["w16"]["rows"] == ROWS
    assert built["indexes"]["w16"]["recall_at_k"] > 0.93
    check(run, lake.vectors)
    assert index(run_of())["state"] == "unchanged"

    fresh = unit_vectors(40, 1)
    changes = dict(zip([*range(1000, 1020), *range(20)], fresh, strict=True))
    lake.update(changes, deleted=range(100, 120))
    summary = index(run_of())["indexes"]["w16"]
    assert (summary["rows_since_base"], summary["gone_since_base"], summary["rows"]) == (40, 40, ROWS)
    assert (summary["came"], summary["went"]) == (40, 40)
    opened = check(run, lake.vectors)
    found = opened.note_ids(opened.search(fresh[:20], 1, nprobe=12)[0]).ravel()
    assert np.mean(found == np.arange(1000, 1020)) > 0.9

    # Attributes alone: no model call made them, and filters see them all the same; a key comes back under its id.
    cats = {key: {"category": "cats"} for key in (5, 300, 110)}
    lake.update({110: unit_vectors(1, 5)[0]}, deleted=[1003], attributes=cats)
    summary = index(run_of())["indexes"]["w16"]
    assert (summary["came"], summary["went"]) == (3, 3)
    assert (summary["rows_since_base"], summary["gone_since_base"]) == (41, 41)
    opened = check(run, lake.vectors)
    found, _ = opened.search(fresh[:2], 5, constraint=Constraint.of({"category": ["cats"]}))
    assert [sorted(row) for row in found.tolist()] == [[-1, -1, 5, 110, 300]] * 2

    lake.update(deleted=range(200, 210))
    before = read_manifest(index_folder(run, WIDTH)).files
    summary = index(run_of("index.compact_share=0.1"))["indexes"]["w16"]
    assert (summary["rows"], summary["rows_since_base"], summary["gone_since_base"]) == (ROWS - 10, 0, 0)
    check(run, lake.vectors)
    left = {name for name in index_folder(run, WIDTH).sizes() if name.startswith(("shard", "gone"))}
    after = read_manifest(index_folder(run, WIDTH)).files
    assert left == {file.name for file in (*before, *after)}  # for whoever still reads the one before


def test_this_process_gives_shards_the_bytes_that_tasks_give_them(run_of, lake, monkeypatch, tmp_path):
    def shards_of(held_rows, folder):
        monkeypatch.setattr(index_rows, "MOST_ROWS", held_rows)
        run = run_of(f"index.folder={tmp_path / folder}")
        index(run)
        return run, [shard.files for shard in read_manifest(index_folder(run, WIDTH)).shards]

    assert shards_of(0, "by-tasks")[1] == shards_of(index_rows.MOST_ROWS, "here")[1]
    lake.update(dict(zip(range(1000, 1020), unit_vectors(20, 1), strict=True)), deleted=range(100, 120))
    run, segment = shards_of(index_rows.MOST_ROWS, "here")
    assert read_manifest(index_folder(run, WIDTH)).since.rows == 20
    assert shards_of(0, "by-tasks")[1] == segment
    # Nothing but carried rows.
    lake.update(deleted=[1000])
    assert shards_of(0, "by-tasks")[1] == shards_of(index_rows.MOST_ROWS, "here")[1]


def test_a_build_that_was_killed_goes_on_with_its_template_and_finished_shards(run_of, lake, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("killed")

    folder = index_folder(run_of(), WIDTH)
    with monkeypatch.context() as patch:
        patch.setattr("uninote.pipelines.index.base.calibrate", fail)
        with pytest.raises(RuntimeError, match="killed"):
            index(run_of())
    assert not folder.sizes("manifest")
    finished = {name: folder.local(name) for name in folder.sizes() if name.startswith("shard")}
    lost = [name for name in finished if name.startswith("shard-00001")]
    for name in lost:
        folder.remove(name)
    kept = {name: path.stat().st_mtime_ns for name, path in finished.items() if name not in lost}
    with monkeypatch.context() as patch:
        patch.setattr(index_build, "train_template", fail)
        index(run_of())
    assert "2 of 3 shard(s) are finished already" in capsys.readouterr().err
    names = {file.name for file in read_manifest(folder).files}
    assert names == {name for name in finished if not name.endswith(".json")}
    assert kept.items() >= {name: folder.local(name).stat().st_mtime_ns for name in names - set(lost)}.items()
    check(run_of(), lake.vectors)
    index(run_of("index.seed=5"))
    assert not names & {file.name for file in read_manifest(folder).files}


@pytest.mark.long
def test_drift_is_measured_told_and_on_request_answered(run_of, lake, capsys):
    run = run_of()
    index(run)
    before = read_manifest(index_folder(run, WIDTH)).template
    lone = unit_vectors(1, 7) + 0.02 * unit_vectors(300, 8)
    crowd = (lone / np.linalg.norm(lone, axis=1, keepdims=True)).astype(np.float32)
    lake.update(dict(enumerate(crowd, 2000)))
    summary = index(run_of("index.compact_share=9"))["indexes"]["w16"]
    assert summary["imbalance_ratio"] > 1.5
    assert "no longer fits" in capsys.readouterr().err
    assert read_manifest(index_folder(run, WIDTH)).template == before
    lake.update(dict(enumerate(crowd[::-1].copy(), 3000)))
    index(run_of("index.compact_share=9", "index.retrain=auto"))
    assert read_manifest(index_folder(run, WIDTH)).template != before
    # Half of the rows are within a cone where scores differ by less than the codes can say.
    check(run, lake.vectors, least=0.95, slack=5e-4)


def test_many_lists_are_found_in_two_levels(run_of, lake, monkeypatch):
    monkeypatch.setattr("uninote.index.planning.choose.FLAT_LISTS", 10)
    index(run_of())
    manifest = read_manifest(index_folder(run_of(), WIDTH))
    assert manifest.plan.groups == 3
    opened = check(run_of(), lake.vectors)
    assert len(opened.template.groups) == 3
    assert 9 <= opened.template.nlist <= 12


def test_an_index_in_an_object_store_is_built_followed_and_read(run_of, lake, s3, tmp_path):
    s3.client.create_bucket(Bucket="index")
    settings = ("index.folder=s3://index/here", f"s3.endpoint={s3.endpoint}")
    run = run_of(*settings)
    index(run)
    lake.update(dict(enumerate(unit_vectors(10, 3), 5000)), deleted=[3])
    assert index(run_of(*settings))["indexes"]["w16"]["rows_since_base"] == 10
    check(run, lake.vectors)
    folder = index_folder(run, WIDTH)
    opened = Index.open(folder.uri, folder.options, str(tmp_path / "cache"))
    opened.search(lake.vectors[7][None], 3)
    template = f"template-{opened.manifest.template}.faiss"
    cached = {path.name for path in (tmp_path / "cache").rglob("*.faiss")} - {template}
    assert cached  # the shards that hold a probed list, and no others
    assert cached <= {shard.index.name for shard in opened.manifest.shards}


def test_counts_that_do_not_add_up_make_a_new_base(run_of, lake):
    run = run_of()
    index(run)
    lake.update(dict(enumerate(unit_vectors(3, 3), 5000)))
    lost = run.generation.uri(embeddings_name(WIDTH))
    run.spark.sql(f"DELETE FROM delta.`{lost}` WHERE item_key = 9")  # the items' feed says nothing of it
    del lake.vectors[9]
    lake.record()
    summary = index(run_of())["indexes"]["w16"]
    assert (summary["rows"], summary["rows_since_base"]) == (ROWS + 2, 0)
    check(run, lake.vectors)


def test_the_lakes_own_images_are_queries(run_of, lake, tmp_path):
    run = run_of()
    index(run)
    made_by, asked = run.model.generation, (f"search.output={tmp_path / 'found'}", "search.items=image", "search.k=3")
    with pytest.raises(ConfigError, match=r"no such item is embedded; add it to embed.kinds"):
        search(run_of(*asked))
    rows = [(10**6 + n, f"{n}#image/0", n, "image", "", made_by, lake.vectors[n].tolist()) for n in (5, 50)]
    spec = embeddings_table(run.note_id, embeddings_name(WIDTH))
    frame = run.spark.createDataFrame(rows, spec.schema)
    tables.append(frame, spec, run.generation.uri(spec.name))
    lake.record()
    summary = search(run_of(*asked, f"search.rerank_width={WIDTH}"))
    assert (summary["queries"], summary["answered"]) == (2, 2)
    found = {
        row["query_id"]: row["neighbours"] for row in tables.read_table(run.spark, str(tmp_path / "found")).collect()
    }
    assert {query: (len(notes), notes[0]["note_id"]) for query, notes in found.items()} == {
        "5#image/0": (3, 5),
        "50#image/0": (3, 50),
    }
