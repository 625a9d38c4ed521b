"""Codes in a whole refresh: pinned by the release, not taken back by a rollback, erased by a takedown."""

from __future__ import annotations

import pytest
from builders import make_note, rows_at, write_source

from uninote.codes.codebook import CodebookError
from uninote.codes.stored import read_codebook, read_codes
from uninote.lake.releases.pointer import read_pointer
from uninote.lake.releases.record import read_release
from uninote.lake.takedowns.orders import add
from uninote.pipelines.codes.stage import is_wanted
from uninote.pipelines.codes_work import choose_work
from uninote.pipelines.stages import STAGES, refresh, run_stage
from uninote.releases.changes import roll_back
from uninote.takedown.traces import traces_in
from uninote.takedown.wanted import wanted_of

pytestmark = pytest.mark.spark

SETTINGS = ("neighbours.k=4", "embed.widths=[64]", "index.nlist=2", "index.num_shards=2", "index.pq_m=8")
CODES = ("codes.enabled=true", "codes.levels=2", "codes.size=4")
WORDS = ("bread flour oven", "tent lake trail", "cheap prize click", "river stone moss", "violin cello bow")


def note(number, body=None):
    return make_note(f"note-{number:05}", title=f"title {number}", body=body or WORDS[number % 5])


@pytest.fixture
def run_of(make_run, quick_model, tmp_path):
    return lambda *more: make_run(*quick_model, *SETTINGS, *CODES, f"ingest.source={tmp_path / 'source'}", *more)


def ids_of(run, release=None):
    uri = run.generation.uri
    versions = release.tables if release else {}
    known = {name: versions.get(f"{run.model.generation}/{name}") for name in ("codes", "codebooks")}
    book = read_codebook(uri("codebooks"), known["codebooks"])
    rows = read_codes(uri("codes"), book.version, known["codes"])
    return dict(zip(rows["note_id"].to_pylist(), rows["id"].to_pylist(), strict=True))


def live(run):
    return read_release(run.lake.root, read_pointer(run.lake.root).live)


@pytest.mark.long
def test_codes_follow_releases_rollbacks_and_takedowns(run_of, tmp_path):
    notes = [note(number) for number in range(30)]
    write_source(tmp_path / "source", notes)
    run = run_of()
    summary = refresh(run)
    assert list(summary["stages"]) == [name for name in STAGES if name != "match"]
    first = ids_of(run, live(run))
    assert first.keys() == {one["note_id"] for one in notes}

    # Notes that come with a release that is rolled back have had their codes; nobody gets them again.
    twins = [note(number, WORDS[0]) for number in range(100, 103)]
    write_source(tmp_path / "source", notes[1:] + twins)
    refresh(run_of())
    second = ids_of(run, live(run))
    roll_back(run.lake.root)
    write_source(tmp_path / "source", [*notes, note(200, WORDS[0])])
    refresh(run_of())
    third = ids_of(run, live(run))
    assert {name: third[name] for name in first} == first
    assert third["note-00200"] not in second.values()
    assert run_stage(run_of(), "codes")["state"] == "unchanged"

    taken = "note-00002"
    add(run.lake.root, [taken], "order")
    write_source(tmp_path / "source", [*notes, note(200, WORDS[0])])
    refresh(run_of())
    assert taken not in ids_of(run)
    rows = {row["id"]: row for row in rows_at(run.generation.uri("codes"))}
    assert (rows[first[taken]]["note_id"], rows[first[taken]]["present"]) == (None, False)
    assert run_stage(run_of(), "erasure")["state"] == "unchanged"
    assert not list(traces_in({run.lake.root: ""}, wanted_of(run.lake.root, [taken]).marks_for))


@pytest.mark.long
def test_a_new_codebook_is_taken_back_with_the_release_that_has_it(run_of, tmp_path):
    notes = [note(number) for number in range(30)]
    write_source(tmp_path / "source", notes)
    run = run_of()
    refresh(run)
    first = ids_of(run, live(run))
    work, others = choose_work(["--new-codebook", "--set", "codes.seed=1"])
    assert others == ["--set", "codes.seed=1"]
    work(run_of("codes.seed=1"))
    run_stage(run_of(), "release")
    assert read_codebook(run.generation.uri("codebooks")).version == 2
    assert len(rows_at(run.generation.uri("code_moves"))) == 30
    roll_back(run.lake.root)
    refresh(run_of())
    assert read_codebook(run.generation.uri("codebooks")).version == 1
    assert ids_of(run, live(run)) == first
    work(run_of("codes.seed=2"))
    assert read_codebook(run.generation.uri("codebooks")).version == 3


@pytest.mark.more
def test_a_refresh_codes_where_it_is_asked_to_or_a_lake_has_codes(run_of, tmp_path):
    def night(count):
        write_source(tmp_path / "source", [note(number) for number in range(count)])
        for name in ("ingest", "embed"):
            run_stage(run_of(), name)

    night(3)
    assert run_stage(run_of(), "codes")["state"] == "refused"
    with pytest.raises(CodebookError, match="3 notes with a vector are fewer than the 4 codes of a level"):
        choose_work([])[0](run_of())
    night(30)
    assert not is_wanted(run_of("codes.enabled=null"))
    assert is_wanted(run_of())
    assert run_stage(run_of(), "codes")["notes"] == 30
    night(31)
    assert is_wanted(run_of("codes.enabled=null"))
    assert run_stage(run_of("codes.enabled=null"), "codes")["opened"] == 1
    assert not is_wanted(run_of("codes.enabled=false"))
    assert run_stage(run_of("codes.enabled=false"), "codes")["state"] == "off"
