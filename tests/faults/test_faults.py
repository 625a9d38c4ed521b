"""Every stage killed or its lake damaged at seeded points, then the same command again: as if nothing had happened.

`make test` tries one point, `make test-more` more, `make test-long` most; UNINOTE_FAULT_SEED draws other moments. What
passed with this seed and this code is not tried again by the latter two: a run that was stopped goes on.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from aftermath import befall
from fault_table import LONG, MORE, SHORT, Fault
from finished import Finished
from killing import Job, killed_run
from lake_checks import check_after
from scene import Scene, run_here

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SEED = int(os.environ.get("UNINOTE_FAULT_SEED", "1"))
POINTS = [
    *SHORT,
    *(pytest.param(fault, marks=pytest.mark.more) for fault in MORE),
    *(pytest.param(fault, marks=pytest.mark.long) for fault in LONG),
]


@pytest.fixture(scope="module")
def scene(spark, tmp_path_factory):
    """The lakes that faults work on copies of."""
    return Scene.make(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def finished(request):
    """Which points passed, for this seed and this very code."""
    return Finished(request.config.cache.mkdir("faults"), SEED)


@pytest.mark.parametrize("fault", POINTS, ids=lambda fault: fault.name)
def test_a_stage_that_is_disturbed_and_run_again(fault, scene, finished, tmp_path, capfd):
    if fault not in SHORT and finished.has(fault.name):
        pytest.skip(f"passed before with seed {SEED}")
    lake = tmp_path / "lake"
    disturb(fault, scene, lake, tmp_path / "killed.log")
    # The second run must not undo what the first one mended.
    codes = [run_here(fault.stage, scene.arguments(lake)) for _ in range(2)]
    said = capfd.readouterr().err
    sys.stderr.write(said)
    assert "unexpected " not in said
    if fault.refused and codes == [1, 1]:
        assert fault.refused in said
    else:
        assert codes == [0, 0]
        check_after(fault.stage, lake, scene.after(fault.stage, fault.night).lake, fault.may_rename)
    shutil.rmtree(tmp_path)
    finished.add(fault.name)


def disturb(fault: Fault, scene: Scene, lake: Path, log: Path) -> None:
    """Leave `lake` as the fault leaves it."""
    dice = random.Random(f"{SEED} {fault.name}")
    undisturbed = scene.after(fault.stage, fault.night)
    if fault.kind == "end":
        scene.later(fault.stage, fault.night, lake)
    else:
        scene.before(fault.stage, fault.night, lake)
    if fault.kills:
        moment = fault.moment(undisturbed.events, dice)
        sys.stderr.write(f"seed {SEED}: {fault.victim} killed at {moment}\n")
        job = Job(fault.stage, scene.arguments(lake, fault.first), log, fault.ahead)
        was_killed = killed_run(job, lake, fault.victim, moment)
        said = log.read_text()
        assert was_killed or fault.kind == "path", f"never came to {moment}:\n{said[-3000:]}"
        assert "unexpected " not in said, said[-3000:]
    for what in fault.then:
        befall(what, lake, dice, must_find=not fault.kills)
