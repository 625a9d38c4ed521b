"""Formats on disk, byte by byte: what is written here today is what users' lakes hold, and what other programs read.

A difference is a change of format: see README.md in this folder for what has to come with it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql.types import LongType, StringType

from udfs.arrow import unpack
from udfs.neighbours.files import ListFolders, write_lists
from udfs.neighbours.lists import Owners, lists_of
from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import manifest_json, read_manifest
from uninote.index.files.records import Manifest, Segment, ShardFile
from uninote.index.files.stored_file import StoredFile
from uninote.index.planning.plan import IndexPlan
from uninote.lake import schemas
from uninote.lake.paths import Lake
from uninote.lake.record import LakeRecord, read_record, write_record
from uninote.neighbours.results.lists import Lists
from uninote.pipelines.lake import ledger
from uninote.training.dataset.schemas import TABLES

FORMATS = Path(__file__).parent / "formats"
TABLES_OF_A_LAKE = (
    schemas.notes_table,
    schemas.items_table,
    lambda note_id: schemas.embeddings_table(note_id, "embeddings/w64"),
    schemas.set_aside_table,
    schemas.quarantine_table,
    schemas.image_files_table,
    lambda note_id: schemas.neighbour_state_table(note_id, "neighbours"),
    schemas.neighbour_background_table,
    lambda note_id: schemas.neighbour_rows_table(note_id, ["category"]),
    schemas.neighbours_table,
    schemas.duplicates_table,
    schemas.found_table,
    schemas.judgments_table,
    lambda _: schemas.CONFIDENCE_MAPS,
    schemas.codes_table,
    schemas.code_moves_table,
    lambda _: schemas.CODEBOOKS,
    lambda _: schemas.QUERY_BANKS,
    lambda _: schemas.GALLERY_FILES,
    lambda _: schemas.IMAGE_BYTES,
    lambda _: schemas.NEIGHBOUR_CELLS,
    lambda _: schemas.NEIGHBOUR_LEADERS,
    lambda _: schemas.RUNS,
)
ENTRY = {
    "run_id": "20260102T030405-abc",
    "stage": "embed",
    "unit": "all",
    "state": "done",
    "generation": "demo-1",
    "fingerprint": "0123456789abcdef",
    "started_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "seconds": 1.5,
    "config_hash": "fedcba9876543210",
    "overrides": ["embed.widths=[64]"],
    "inputs": {"notes": 3},
    "outputs": {"items": 1, "embeddings/w64": 2},
    "counts": {"notes_in": 49},
    "metrics": {"model_s": 0.25},
    "next_key": 61,
    "as_of": datetime(2026, 1, 2, tzinfo=UTC),
}
BASE_FILE = StoredFile("shard-00000-aaaa.faiss", 100, "aa" * 32)
KEYS_FILE = StoredFile("shard-00000-aaaa.keys.arrow", 50, "bb" * 32)
VECTORS_FILE = StoredFile("shard-00000-aaaa.vectors.npy", 6400, "99" * 32)
VOIDED = StoredFile("gone-bbbb.parquet", 40, "dd" * 32)
MANIFEST = Manifest(
    generation="demo-1",
    width=64,
    kinds=("note", "image"),
    fingerprint="0123456789abcdef",
    plan=IndexPlan(49, 64, 8, 4, 1, 32, 4, 49, rerank=True),
    template="cccc",
    nprobe=4,
    live=47,
    segments=(
        Segment(
            "aaaa", 49, (ShardFile(0, 49, (0, 1, 2, 3), BASE_FILE, KEYS_FILE, VECTORS_FILE),), 0, None, {"items": 1}
        ),
        Segment("bbbb", 0, (), 2, VOIDED, {"items": 2}),
    ),
    created_at="2026-01-02T03:04:05+00:00",
    nprobe_asked=None,
    calibration="8899aabbccddeeff",
    template_files=(StoredFile("template-cccc.faiss", 10, "ee" * 32), StoredFile("template-cccc.npz", 9, "ff" * 32)),
    lake_id="00112233445566778899aabbccddeeff",
    stale="",
)


def golden(name):
    return json.loads((FORMATS / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("note_id", [StringType(), LongType()], ids=["texts", "numbers"])
def test_the_columns_of_a_lakes_tables(note_id):
    found = {}
    for make in TABLES_OF_A_LAKE:
        spec = make(note_id)
        columns = [f"{field.name} {field.dataType.simpleString()}" for field in spec.schema]
        found[spec.name] = {"columns": columns, "key": list(spec.key), "feed": spec.feed}
    assert found == golden(f"tables-{note_id.simpleString()}.json")


def test_the_columns_of_a_training_set():
    found = {name: [f"{field.name} {field.type}" for field in schema] for name, schema in TABLES.items()}
    assert found == golden("training-set.json")


def test_a_manifest_of_codes_alone_is_read_as_it_was_written(tmp_path):
    (tmp_path / "manifest.json").write_text((FORMATS / "manifest-3.json").read_text(encoding="utf-8"), encoding="utf-8")
    (base, since) = MANIFEST.segments
    shards = tuple(replace(shard, vectors=None) for shard in base.shards)
    plan = IndexPlan(49, 64, 8, 4, 1, 16, 8, 49)
    before = replace(MANIFEST, plan=plan, segments=(replace(base, shards=shards), since))
    assert read_manifest(IndexFolder(str(tmp_path))) == before


def test_the_manifest_of_an_index(tmp_path):
    stored = (FORMATS / "manifest.json").read_text(encoding="utf-8")
    assert manifest_json(MANIFEST) + "\n" == stored
    (tmp_path / "manifest.json").write_text(stored, encoding="utf-8")
    assert read_manifest(IndexFolder(str(tmp_path))) == MANIFEST


def test_the_record_of_a_lake(tmp_path):
    record = read_record(str(FORMATS))
    assert record == LakeRecord("00112233445566778899aabbccddeeff", 3)
    write_record(Lake(str(tmp_path)), record)
    assert (tmp_path / "lake.json").read_bytes() == (FORMATS / "lake.json").read_bytes()


def test_the_entries_of_a_ledger(tmp_path):
    stored = {**ENTRY, "sequence": 0}
    assert ledger.entries(Lake(str(FORMATS))) == [stored, {**stored, "sequence": 1, "state": "failed"}]
    ledger.append(Lake(str(tmp_path)), ENTRY | {"cores": 8})
    # A column that came since, which ledgers of this format may lack.
    fields = DeltaTable(str(tmp_path / "runs")).schema().fields
    assert [field.name for field in fields[-1:]] == ["cores"]
    assert fields[:-1] == DeltaTable(str(FORMATS / "runs")).schema().fields
    assert ledger.entries(Lake(str(tmp_path))) == [stored | {"cores": 8}]


def test_the_lists_that_a_join_leaves(tmp_path):
    """Keys and scores are little-endian int64 and float32, one after another; a full list is never complete."""
    ids = np.array([[1, 2], [0, -1], [-1, -1]])
    scores = np.array([[0.75, 0.5], [0.75, -np.inf], [-np.inf, -np.inf]], np.float32)
    keys = np.array([7, 1 << 40, 300])
    backgrounds = np.array([[0.25, 0.125], [0.25, 0.0], [0.0, 0.0]], np.float32)
    owners = Owners(keys, pa.array(["a", "b", "c"]), backgrounds)
    (lists,) = lists_of(owners, np.arange(3), Lists(ids, scores), 3)
    sample = np.arange(1000, 1040)  # of none of these
    folders = ListFolders(str(tmp_path / "state"), str(tmp_path / "public"), None, 2, 1, 0.99, sample)
    list(write_lists(iter([lists]), folders))
    found = {}
    for name in ("state", "public"):
        (path,) = (tmp_path / name).glob("*.parquet")
        found[name] = pq.read_table(path).to_pylist()
        assert pq.read_table(FORMATS / f"lists-{name}.parquet").to_pylist() == found[name]
        assert pq.read_schema(FORMATS / f"lists-{name}.parquet") == pq.read_schema(path)
    assert found["state"][0]["neighbour_keys"].hex() == "0000000000010000" + "2c01000000000000"
    assert found["state"][0]["scores"].hex() == "0000403f" + "0000003f"
    assert [row["whole"] for row in found["state"]] == [False, True, True]
    shown = {"note_id": "b", "score": 0.75, "strength": 4.0, "confidence": None}
    assert found["public"][0] == {"note_id": "a", "neighbours": [shown]}
    stored = pq.read_table(FORMATS / "lists-state.parquet")
    flat, starts = unpack(stored["neighbour_keys"].combine_chunks(), np.int64)
    assert (flat.tolist(), starts.tolist()) == ([1 << 40, 300, 7], [0, 2, 3, 3])
