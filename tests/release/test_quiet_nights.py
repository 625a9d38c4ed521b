"""Seven quiet nights: of each hundred notes one comes, one is edited and one goes. Every gate passes at its default.

`pytest -m long -s` prints what each gate found, night by night; UNINOTE_QUIET_NOTES is how many notes there are (2,000).
"""

from __future__ import annotations

import os
import random
import sys

import pytest
from builders import write_source

from uninote.demo.authoring import Desk, write_notes
from uninote.demo.records import item_row
from uninote.lake.releases.record import read_release
from uninote.pipelines.stages import STAGES, run_stage

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.long]

NOTES = int(os.environ.get("UNINOTE_QUIET_NOTES", "2000"))
CHANGED = NOTES // 100
NIGHTS = 7


DEFAULTS = (
    "neighbours.k=20",
    "neighbours.recall_sample=500",
    "neighbours.full_share=0.2",
    "embed.canaries=200",
)  # not the tests'


def corpus() -> list[dict[str, object]]:
    """Return the texts of demo notes, reposts and near copies among them: those of the first day, and those that come later."""
    notes = write_notes(Desk(seed=7, num_authors=NOTES // 6), range(NOTES + NIGHTS * CHANGED), [])
    return [{name: value for name, value in item_row(note).items() if name != "images"} for note in notes]


def test_a_week_of_quiet_nights_passes_every_gate(make_run, quick_model, tmp_path):
    waiting = corpus()
    notes, waiting = waiting[:NOTES], waiting[NOTES:]
    dice = random.Random(19)
    lake = f"{tmp_path}/lake"
    tables = "neighbours.tables={other_author: {different: [author]}, collapsed: {duplicates: collapse}}"
    for night in range(NIGHTS + 1):
        if night:
            dice.shuffle(notes)
            edited = [
                one | {"body": f"{one['body']} Seen again in night {night}."} for one in notes[CHANGED : 2 * CHANGED]
            ]
            notes = [*notes[2 * CHANGED :], *edited, *waiting[:CHANGED]]
            waiting = waiting[CHANGED:]
        write_source(tmp_path / "source", notes)
        run = make_run(f"lake={lake}", f"ingest.source={tmp_path}/source", *quick_model, *DEFAULTS, tables)
        said = {name: run_stage(run, name) for name in STAGES if name != "report"}["release"]
        gates = read_release(lake, said["release"]).gates
        for gate in gates:
            sys.stderr.write(f"night {night}: {gate.name} {gate.state}: {gate.finding}\n")
        assert {gate.name: gate.state for gate in gates if gate.state == "failed"} == {}
        compared = {gate.name.split()[0] for gate in gates if gate.state == "passed"}
        assert not night or len(compared) == 10, compared
