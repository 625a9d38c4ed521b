"""What the lake held of a note that is taken down is found in each place before the night that erases it, and nowhere after."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import make_image
from deltalake import DeltaTable, write_deltalake

import uninote
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.registry import ARTEFACTS, RULE
from uninote.lake.releases.watching import ReleaseEndedError
from uninote.lake.takedowns.orders import add, read_orders
from uninote.lake.takedowns.watch import taken_down
from uninote.neighbours.lookup import lookup
from uninote.pipelines.release.erasure import ERASERS
from uninote.pipelines.stages import STAGES, run_stage
from uninote.pipelines.training.training_set import training_set
from uninote.releases.changes import pin
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import stored_pieces, wanted_of

WORDS = ("bread", "soup", "garden", "river", "temple", "ramen", "camera", "hiking")
SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=4", "index.num_shards=2", "index.pq_m=8")
TAKEN = "note-00003"


def test_every_artefact_can_be_erased_from():
    assert {artefact.erased for artefact in (*ARTEFACTS, RULE)} <= ERASERS.keys()


def write(folder: Path, numbers, colours) -> None:
    rows = []
    for number in numbers:
        words = " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5))
        image = colours.get(number, b"")
        rows.append(
            {
                "note_id": f"note-{number:05d}",
                "title": f"{words} {number} of them",
                "body": f"{words} and the body of number {number}",
                "caption": f"{words} caption {number}",
                "images": [image] if image else [],
            }
        )
    folder.mkdir(exist_ok=True)
    kinds = [(name, pa.string()) for name in ("note_id", "title", "body", "caption")]
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema([*kinds, ("images", pa.list_(pa.binary()))])), folder / "n.parquet"
    )


def night(run):
    return {name: run_stage(run, name) for name in STAGES}


def places(lake: str, wanted) -> set[str]:
    """Return the tables and artefacts in which something was found, by the first two parts of their files' names."""
    found = set()
    for trace in traces_in({lake: ""}, wanted.marks_for):
        name = trace.path.removeprefix(f"{lake}/")
        parts = [part for part in name.split("/") if not part.startswith(("part-", "cell=", "_change", "set-"))]
        found.add("/".join(parts[-2:]) if "_delta_log" in name else "/".join(parts))
    return found


@pytest.mark.spark
@pytest.mark.more
def test_a_note_of_some_nights_is_erased_everywhere(make_run, tmp_path, quick_model):
    colours = {n: make_image(tmp_path / f"{n}.png", (n * 20, 10, 200 - n * 9)).read_bytes() for n in range(8)}
    colours[5] = b"no image"
    source = tmp_path / "source"

    def run_of(*more):
        return make_run(f"ingest.source={source}/n.parquet", *quick_model, *SETTINGS, *more)

    write(source, range(30), colours)
    run = run_of()
    lake = run.lake.root
    night(run)
    write(source, range(1, 32), colours)
    night(run_of())
    training_set(run_of())
    pin(lake, 1, "an audit")
    opened = uninote.open_release(lake)
    assert opened.lookup([TAKEN])

    wanted = replace(wanted_of(lake, [TAKEN]), pieces=stored_pieces(lake, [TAKEN]))
    assert wanted.pieces
    before = places(lake, wanted)
    generation = run.model.generation
    for name in ("notes", "image_bytes", "training", "report.html"):
        assert any(place.startswith(name) for place in before), name
    for name in ("items", "embeddings/w64", "index/w64", "neighbours", "neighbour_state/neighbours", "neighbour_rows"):
        assert any(place.startswith(f"{generation}/{name}") for place in before), name

    add(lake, [TAKEN, "note-99999"], "an order")
    write(source, range(1, 33), colours)
    said = night(run_of())
    assert (said["ingest"]["taken_down"], said["erasure"]["erased"], said["erasure"]["waiting"]) == (1, 2, 0)
    assert said["erasure"]["releases_ended"] == 2
    assert places(lake, wanted) == set()
    assert [order.note_id for order in read_orders(lake)] == [None, None]
    assert taken_down(lake).hides(TAKEN)
    raw = b"".join(path.read_bytes() for path in Path(lake).rglob("*") if path.is_file())
    assert TAKEN.encode() not in raw

    pointer = read_pointer(lake)
    assert (pointer.live, pointer.kept, dict(pointer.pinned)) == (3, (3,), {})
    opened._takedowns._looked = float("-inf")
    with pytest.raises(ReleaseEndedError, match="release 2 ended because notes were taken down"):
        opened.lookup(["note-00004"])
    why = r"release 1 ended because notes were taken down \(20.*; it was pinned: an audit\): .*Open the live one, release 3"
    with pytest.raises(ReleaseEndedError, match=why):
        uninote.open_release(lake, 1)
    now = uninote.open_release(lake)
    assert len(lookup(lake, [f"note-{number:05d}" for number in range(33)])) == 31
    now.index().verify()
    for uri, version in now.tables.values():
        assert DeltaTable(uri, version=version).to_pyarrow_table().num_rows >= 0
        assert run.spark.read.format("delta").option("versionAsOf", version).load(uri).count() >= 0
        assert run.spark.read.format("delta").load(uri).count() >= 0

    # The source names it still; the nights go on from what is left, and let nothing of it in.
    assert night(run_of())["release"]["state"] == "unchanged"
    write(source, range(2, 34), colours)
    after = night(run_of())
    assert (after["ingest"]["taken_down"], after["release"]["state"], after["erasure"]["state"]) == (
        1,
        "done",
        "unchanged",
    )
    assert after["embed"]["computed"] == 1
    assert places(lake, wanted) == set()


def test_descriptions_of_images_are_among_the_texts_of_a_note_and_of_others(tmp_path):
    former = pa.list_(pa.struct([("uri", pa.string()), ("ocr", pa.string())]))
    images = pa.list_(pa.struct([*former.value_type, ("caption", pa.string())]))

    def notes(rows, kind):
        texts = {name: pa.nulls(len(rows), pa.string()) for name in ("title", "body", "caption")}
        topics = pa.nulls(len(rows), pa.list_(pa.string()))
        found = pa.array([[image] for image in rows.values()], kind)
        return pa.table({"note_id": [*rows], **texts, "topics": topics, "images": found})

    mine = {"uri": "a.png", "ocr": None, "caption": "a cup that nobody else describes"}
    shared = {"uri": "b.png", "ocr": None, "caption": "a bowl that two notes describe alike"}
    written = {"uri": "c.png", "ocr": "a sign that an older note has too"}
    uri = str(tmp_path / "notes")
    write_deltalake(uri, notes({"old": written}, former))
    write_deltalake(uri, notes({TAKEN: mine, "other": shared}, images), mode="append", schema_mode="merge")
    write_deltalake(uri, notes({TAKEN: shared | written}, images), mode="append")
    found = stored_pieces(str(tmp_path), [TAKEN])
    assert any(piece in mine["caption"] for piece in found)
    assert not any(piece in text for piece in found for text in (shared["caption"], written["ocr"]))


def plant(lake: Path) -> dict[str, bytes]:
    """Return contents of files of each format that hold a note, by name."""
    table = pa.table({"note_id": [TAKEN, "other"], "item_key": pa.array([41, 42], pa.int64())})
    parquet, arrow, nested = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet, compression="zstd")
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    lists = pa.array([[{"note_id": "other", "score": 0.5}, {"note_id": TAKEN, "score": 0.4}]])
    pq.write_table(pa.table({"neighbours": lists}), nested, use_dictionary=True)
    state = io.BytesIO()
    pq.write_table(pa.table({"neighbour_keys": [np.array([7, 41]).tobytes()]}), state)
    stats = json.dumps({"minValues": {"title": "some words that tell this note"}})
    log = json.dumps({"add": {"path": "x", "stats": stats}})
    return {
        "g/neighbours/a.parquet": parquet.getvalue(),
        "g/neighbours/nested.parquet": nested.getvalue(),
        "g/neighbour_state/neighbours/keys.parquet": state.getvalue(),
        "g/index/w64/shard.keys.arrow": arrow.getvalue(),
        "g/index/w64/manifest-1.json": json.dumps({"note": TAKEN}).encode(),
        "notes/_delta_log/00000000000000000003.json": f'{{"commitInfo": {{}}}}\n{log}\n'.encode(),
        "report.html": f"<p>{TAKEN}</p>".encode(),
        "found/page.html.gz": gzip.compress(b"<p>some words that tell this note</p>"),
        "training/set-1/items.jsonl": f'{{"a": 1}}\n{{"id": "{TAKEN}#image/0"}}\n'.encode(),
        "notes.txt": f"see {TAKEN}.".encode(),
        f"{TAKEN}.png": b"",
    }


def test_a_leftover_is_found_in_each_format(tmp_path):
    items = tmp_path / "g/items"
    items.mkdir(parents=True)
    pq.write_table(pa.table({"note_id": [TAKEN], "item_key": pa.array([41], pa.int64())}), items / "a.parquet")
    lake = str(tmp_path)
    wanted = wanted_of(lake, [TAKEN], ["some words that tell this note"])
    assert wanted.keys["g"] == {41: TAKEN}
    (items / "a.parquet").unlink()
    assert not list(traces_in({lake: ""}, wanted.marks_for))
    for name, content in plant(tmp_path).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found = {(trace.note_id, trace.path) for trace in traces_in({lake: ""}, wanted.marks_for)}
        assert found == {(TAKEN, str(path))}, name
        path.unlink()


def test_what_only_looks_like_a_note_is_none(tmp_path):
    wanted = wanted_of(str(tmp_path), ["7", "n7"])
    pq.write_table(pa.table({"note_id": pa.array([70, 8]), "rows": pa.array([7, 7])}), tmp_path / "a.parquet")
    (tmp_path / "b.json").write_text('{"version": 7, "note_id": 77, "x": "n77", "y": "see n7"}')
    (tmp_path / "c.html").write_text("<td>7</td> n7")
    assert not list(traces_in({str(tmp_path): ""}, wanted.marks_for))
    pq.write_table(pa.table({"note_id": pa.array([7, 8])}), tmp_path / "a.parquet")
    (tmp_path / "b.json").write_text('{"stats": "{\\"minValues\\": {\\"note_id\\": 7}}"}')
    (tmp_path / "c.html").write_text('<td data-note="n7">')
    assert {(trace.note_id, Path(trace.path).name) for trace in traces_in({str(tmp_path): ""}, wanted.marks_for)} == {
        ("7", "a.parquet"),
        ("7", "b.json"),
        ("n7", "c.html"),
    }
