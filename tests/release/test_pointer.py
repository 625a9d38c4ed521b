"""The chain that says which release readers see, on a disk and in a real S3 store: one state after the other, by one writer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from uninote.lake.lease.fence import commits_under
from uninote.lake.lease.lease import LeaseLostError, take
from uninote.lake.releases.pointer import change_pointer, fence_releases, history, live_release, read_pointer
from uninote.lake.releases.record import (
    GateResult,
    IndexPin,
    Release,
    ReleaseError,
    place,
    read_release,
    release_ids,
    write_release,
)
from uninote.releases.changes import pin, roll_back, unpin
from uninote.storage import lake_files, objects
from uninote.storage.environment import variables
from uninote.storage.types import S3Options


def release(run_id="r", **values):
    gates = (GateResult("rows", "passed", "all there"), GateResult("recall", "failed", "too low", 0.5, 0.9, 0.4, 0.6))
    pins = {"w64": IndexPin("g/index/w64", "manifest-1.json")}
    return Release(
        0, "2026-11-27T00:00:00+00:00", run_id, "lake", "g", {"notes": 3, "g/items": 4}, pins, {}, gates, **values
    )


@pytest.fixture(params=["disk", "s3"])
def lake(request, tmp_path, monkeypatch):
    """A place for a lake with nothing in it."""
    if request.param == "disk":
        yield str(tmp_path / "lake")
        return
    server = request.getfixturevalue("s3")
    for name, value in variables(S3Options(server.endpoint)).items():
        monkeypatch.setenv(name, value)
    objects.forget()
    yield server.make_bucket(f"releases-{time.monotonic_ns()}").replace("s3:", "s3a:")
    objects.forget()


def publish(lake, number):
    return change_pointer(
        lake, lambda before: replace(before, live=number, kept=(*before.kept, number), change=f"release {number}")
    )


def test_a_lake_without_releases_has_an_empty_state(lake):
    assert read_pointer(lake).live is None
    assert live_release(lake) is None
    assert history(lake) == []


def test_a_release_reads_back_as_it_was_written(lake):
    made = write_release(lake, release(metrics={"cut_share": 0.1}), 0)
    assert (made.id, read_release(lake, 1)) == (1, made)
    assert write_release(lake, release(), 0).id == 2  # 1 is taken
    assert release_ids(lake) == [1, 2]
    assert [gate.name for gate in made.failed_gates] == ["recall"]
    assert made.path("items") == "g/items"
    assert made.path("notes") == "notes"
    with pytest.raises(ReleaseError, match="release 1 has no table 'lists'; it has items, notes"):
        made.path("lists")


def test_a_damaged_or_newer_release_says_so(lake):
    lake_files.create(place(lake, 1), b"{}")
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_release(lake, 1)
    lake_files.create(place(lake, 2), release(format=99).text())
    with pytest.raises(ReleaseError, match="it has format 99"):
        read_release(lake, 2)
    with pytest.raises(ReleaseError, match="has no release 7; there are: 1, 2"):
        read_release(lake, 7)


def test_of_many_who_change_it_at_once_each_builds_on_the_one_before(lake):
    def keep(number):
        return change_pointer(lake, lambda before: replace(before, kept=(*before.kept, number), change=str(number)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(keep, range(12)))
    assert sorted(read_pointer(lake).kept) == list(range(12))
    assert [state.change for state in history(lake)] == list(map(str, read_pointer(lake).kept))


def test_a_run_that_lost_its_lease_publishes_nothing(lake):
    old = take(lake, "refresh", "old")
    with commits_under(old):
        publish(lake, 1)
        old.release()
        new = take(lake, "refresh", "new")
    with commits_under(new):
        fence_releases(lake, new.number)
        new.release()
    with commits_under(old), pytest.raises(LeaseLostError):
        publish(lake, 2)
    assert read_pointer(lake).live == 1
    assert read_pointer(lake).holder == new.number


def test_rolling_back_pinning_and_letting_go(lake):
    with pytest.raises(ReleaseError, match="no release to roll back from"):
        roll_back(lake)
    for number in (1, 2, 3):
        publish(lake, number)
    state = roll_back(lake)
    assert (state.live, state.work_from, state.rejected, set(state.replaced)) == (2, 2, (3,), {"3"})
    assert roll_back(lake).live == 1
    with pytest.raises(ReleaseError, match="keeps no release before 1"):
        roll_back(lake)
    with pytest.raises(ReleaseError, match=r"release 9 .* is not kept; kept are: 1, 2, 3"):
        roll_back(lake, 9)
    assert pin(lake, 2, "audit").pinned == {"2": "audit"}
    with pytest.raises(ReleaseError, match="not pinned; pinned are: 2"):
        unpin(lake, 3)
    assert unpin(lake, 2).pinned == {}
