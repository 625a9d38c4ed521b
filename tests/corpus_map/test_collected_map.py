"""The map as it is collected from a lake, compared with what its tables say, over two nights and a takedown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import make_image, make_note, rows_at, write_source

from uninote.codes.stored import read_codebook, read_codes
from uninote.lake.takedowns.orders import add
from uninote.pipelines.corpus_map.collect import collect_map
from uninote.pipelines.lake.reading.snapshot import newest_snapshot
from uninote.pipelines.stages import refresh, run_stage

pytestmark = pytest.mark.spark

SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=2", "index.pq_m=8")
CODES = ("codes.enabled=true", "codes.levels=2", "codes.size=4", "codes.most=4")
WORDS = ("bread flour oven", "tent lake trail", "咖啡 拿铁", "river stone moss", "violin cello bow")
HOSTILE = "</script><script>document.title=1</script>"


def note(number, **fields):
    words = WORDS[number % 5]
    language = "zh" if number % 5 == 2 else "en"
    return make_note(f"note-{number:05}", title=f"{words} {number}", body=words, language=language, **fields)


def codes_of(run):
    book = read_codebook(run.generation.uri("codebooks"))
    rows = read_codes(run.generation.uri("codes"), book.version)
    return book, dict(zip(rows["note_id"].to_pylist(), map(tuple, rows["codes"].to_pylist()), strict=True))


def sizes_of(corpus):
    return {(one.code, child.code): child.notes for one in corpus.branches for child in one.children if child.notes}


@pytest.mark.long
def test_a_map_is_what_the_tables_say(make_run, quick_model, tmp_path):
    def run_of():
        return make_run(*quick_model, *SETTINGS, *CODES, f"ingest.source={tmp_path / 'source'}")

    make_image(tmp_path / "source" / "oven.png")
    notes = [note(number) for number in range(60)]
    notes[0] |= {"images": [{"uri": "oven.png"}]}
    notes[5] |= {"images": [{"uri": "gone.png"}], "title": HOSTILE}
    write_source(tmp_path / "source", notes)
    run = run_of()
    summary = refresh(run)
    page = Path(summary["stages"]["report"]["map"])
    assert page == Path(run.lake.root, "map.html")
    assert "<title>Map of 60 notes" in page.read_text(encoding="utf-8")
    assert HOSTILE not in page.read_text(encoding="utf-8")

    corpus = collect_map(run, newest_snapshot(run))
    book, codes = codes_of(run)
    assert sizes_of(corpus) == dict(Counter(code[:2] for code in codes.values()))
    assert {one.code: one.notes for one in corpus.branches} == dict(Counter(code[0] for code in codes.values()))
    assert (corpus.notes, corpus.without, corpus.release) == (60, 0, "1")
    flags = {row["note_id"]: row["degraded"] for row in rows_at(run.generation.uri("items"))}
    degraded = Counter(codes[name][0] for name, is_degraded in flags.items() if is_degraded)
    assert {one.code: one.degraded for one in corpus.branches if one.degraded} == dict(degraded)
    assert all(one.change is None for one in corpus.branches)
    assert "No earlier release" in corpus.compared

    vectors = {row["note_id"]: row["vector"] for row in rows_at(run.generation.uri("embeddings/w64"))}
    for one in corpus.branches:
        mine = [name for name, code in codes.items() if code[0] == one.code]
        centre = book.decode(np.array([[one.code]]))[0]
        distance = {name: np.linalg.norm(np.array(vectors[name]) - centre) for name in mine}
        nearest = min(distance.values())
        assert distance[one.typical[0].note_id] == pytest.approx(nearest, abs=1e-4)
        languages = Counter("zh" if int(name[5:]) % 5 == 2 else "en" for name in mine)
        assert dict(one.languages) == dict(languages)
        theirs = Counter(word for name in mine for word in WORDS[int(name[5:]) % 5].split())
        assert set(one.label) <= {*theirs, "title", "document", "script"}

    # A night later: twins of one note come, and another note is taken down.
    write_source(tmp_path / "source", [*notes, *(note(100 + 5 * number) for number in range(40))])
    refresh(run_of())
    taken = corpus.branches[0].typical[0].note_id
    add(run.lake.root, [taken], "an order")
    later = collect_map(run_of(), newest_snapshot(run_of()))
    assert "release 1" in later.compared
    assert taken not in [shown.note_id for one in later.branches for shown in one.typical]
    before, now = sizes_of(corpus), sizes_of(later)
    for one in later.branches:
        for child in one.children:
            key = (one.code, child.code)
            assert (child.change.notes_before, child.notes) == (before.get(key, 0), now.get(key, 0))
    grown = max(now, key=lambda key: now[key] - before.get(key, 0))
    changed = {prefix: branch.change.state for prefix, branch in later.changed()}
    assert changed[grown] in ("new", "growing")

    write_source(tmp_path / "source", notes)
    off = run_stage(make_run(*quick_model, *SETTINGS, *CODES, "report.map=false"), "report")
    assert "map" not in off


def test_a_lake_without_codes_has_no_map(make_run, quick_model, tmp_path):
    write_source(tmp_path / "source", [note(number) for number in range(12)])
    run = make_run(*quick_model, *SETTINGS, f"ingest.source={tmp_path / 'source'}")
    summary = refresh(run)
    assert "map" not in summary["stages"]["report"]
    assert not Path(run.lake.root, "map.html").exists()
    assert collect_map(run, newest_snapshot(run)) is None
