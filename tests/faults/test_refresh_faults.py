"""A whole refresh struck at seeded points while a reader looks on, then the same command again: as if nothing had happened.

`make test-more` tries two points, `make test-long` all; UNINOTE_FAULT_SEED draws other blows and moments. What passed with this
seed and this code is not tried again.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from finished import Finished
from killing import NO_WRITES, Job, killed_run
from lake_checks import check_after, same_release, same_store
from onlookers import Reader, contents_of
from refresh_nights import TAKEN, Nights, held_of, store_of
from refresh_points import FIRST, POINTS, SHORT, THIRD, Point
from scene import Scene, run_here

from uninote.cli.command import main as command
from uninote.takedown.traces import traces_in

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SEED = int(os.environ.get("UNINOTE_FAULT_SEED", "1"))


@pytest.fixture(scope="module")
def nights(spark, tmp_path_factory):
    """The lakes that refreshes are struck on copies of."""
    return Nights(Scene.make(tmp_path_factory.mktemp("refreshes")))


@pytest.fixture(scope="module")
def finished(request):
    """Which points passed, for this seed and this very code."""
    return Finished(request.config.cache.mkdir("refreshes"), SEED)


@pytest.mark.more
def test_a_refresh_that_is_struck_and_run_again(nights, tmp_path, capfd):
    for point in SHORT:
        try_point(point, nights, tmp_path / point.name, capfd)


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_each_point_of_a_refresh(point, nights, finished, tmp_path, capfd):
    if finished.has(point.name):
        pytest.skip(f"passed before with seed {SEED}")
    try_point(point, nights, tmp_path, capfd)
    shutil.rmtree(tmp_path)
    finished.add(point.name)


def try_point(point: Point, nights: Nights, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Strike a refresh, run it again, and again; raises AssertionError unless the lake and its reader are as if undisturbed."""
    folder.mkdir(exist_ok=True)
    lake = folder / "lake"
    expected = nights.after(point.way, point.night)
    nights.before(point.way, point.night, lake)
    reader = Reader(lake, None if point.night == FIRST else contents_of(lake), contents_of(expected.lake))
    arguments = nights.arguments(point.way, lake)
    held = held_of(lake, [TAKEN])
    with reader.looking():
        strike(point, arguments, lake, expected.events)
        codes = [run_here("refresh", arguments) for _ in range(2)]
    said = capfd.readouterr().err
    sys.stderr.write(said)
    assert "unexpected " not in said
    assert codes == [0, 0]
    assert reader.wrong == []
    assert reader.seen[-1] == "after"
    check_after("report", lake, expected.lake, may_rename=False)
    same_release(lake, expected.lake)
    same_store(lake, store_of(lake))
    if point.night == THIRD:
        assert list(traces_in({str(lake): ""}, held.marks_for)) == []
        assert command(["takedown", "prove", TAKEN, "--lake", str(lake)]) == 0


def strike(point: Point, arguments: list[str], lake: Path, events: dict[str, int]) -> None:
    """Run a refresh that is struck at the point's moment."""
    blow = point.blow(SEED)
    moment = point.moment(events, random.Random(f"{SEED} {point.name}"))
    sys.stderr.write(f"seed {SEED}: {blow} struck at {moment}\n")
    log = lake.parent / "struck.log"
    was_struck = killed_run(Job("refresh", arguments, log, is_ahead=False), lake, blow, moment)
    said = log.read_text()
    sys.stderr.write(f"seed {SEED}: {'struck' if was_struck else 'not struck, or got over it'}\n")
    assert "unexpected " not in said, said[-3000:]
    is_fatal = blow != "worker" and not blow.startswith(NO_WRITES)
    assert was_struck or not is_fatal or "in erasure" in moment.kind or "path" in moment.kind, said[-3000:]
