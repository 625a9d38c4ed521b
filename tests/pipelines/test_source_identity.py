"""What a lake holds is replaced by its own source, in part, and by nothing else unasked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import make_note, write_source

from uninote.lake.delta_files import set_property
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.source import SOURCE
from uninote.pipelines.lake.tables import MissingTableError
from uninote.pipelines.notes.source import identity as source_identity
from uninote.pipelines.notes.source.identity import DeletedShareError, OtherSourceError, check_source
from uninote.pipelines.notes.stage import ingest
from uninote.pipelines.stages import run_stage

pytestmark = pytest.mark.spark


@pytest.fixture
def run_on(make_run, tmp_path):
    """Return a run whose source is a folder with so many notes."""

    def make(name, notes):
        return make_run(f"ingest.source={write_source(tmp_path / name, [make_note(f'n{n}') for n in range(notes)])}")

    return make


def version(run):
    return tables.table_version(run.lake.uri("notes"))


def test_a_lake_keeps_to_its_source(run_on, make_run, monkeypatch, capsys):
    run = run_on("monday", 20)
    ingest(run)
    before = version(run)

    # The demo is what a job takes whose configuration names no source: it never comes in the place of these notes.
    with pytest.raises(OtherSourceError, match=r"holds notes of .*monday.* ingest\.source is demo; one never replaces"):
        ingest(make_run())
    with pytest.raises(MissingTableError, match=r"run jobs/embed\.py"):
        run_stage(make_run(), "index")
    assert version(run) == before

    # An export of the next day that was written by half.
    monkeypatch.setattr(source_identity, "MIN_DELETED", 3)
    half = run_on("tuesday", 17)
    with pytest.raises(DeletedShareError, match=r"lacks 3 of the 20 notes .* Nothing was written.*--allow-deletes"):
        ingest(half)
    assert version(run) == before
    assert ingest(replace(half, allow_deletes=True))["deleted"] == 3
    assert "came from" in capsys.readouterr().err
    assert ingest(run_on("wednesday", 16))["deleted"] == 1  # a few go every night


@pytest.mark.parametrize(
    "known", ["demo", "/cache/demo/corpus-3000-7/items.jsonl", "/cache/demo/corpus-3000-7-2/next_day.jsonl"]
)
def test_the_demo_is_not_replaced_either(spark, run_on, make_run, known):
    run = run_on("mine", 2)
    ingest(run)
    set_property(run.lake.uri("notes"), SOURCE, known)
    with pytest.raises(OtherSourceError, match=r"holds notes of .*, ingest\.source is .*mine"):
        check_source(run, "/data/mine")
    check_source(make_run(), "demo")
