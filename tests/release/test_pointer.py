"""The chain that says which release readers see, on a disk and in a real S3 store: one state after the other, by one writer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from uninote.cli.releases import releases_of
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
from uninote.pipelines.release.resume import as_wanted
from uninote.pipelines.release.stage import _with_live
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
    write_release(lake, release(), number - 1)
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
    lake_files.create(place(lake, 3), release().text())
    with pytest.raises(ReleaseError, match="it is that of release 0"):
        read_release(lake, 3)
    lake_files.create(place(lake, 2), release(format=99).text())
    with pytest.raises(ReleaseError, match="it has format 99"):
        read_release(lake, 2)
    with pytest.raises(ReleaseError, match="has no release 7; there are: 1, 2, 3"):
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


def test_a_release_that_one_goes_forth_to_is_not_rejected(lake):
    for number in (1, 2, 3):
        publish(lake, number)
    roll_back(lake, 1)
    state = roll_back(lake, 3)
    assert (state.live, state.rejected) == (3, (2,))
    assert roll_back(lake).live == 1


@pytest.mark.parametrize("content", [None, b"{}", b'{"format": 1, "tables": [], "indexes": null, "gates": []}'])
def test_a_release_whose_file_is_gone_or_damaged_is_let_go_by_a_rollback(lake, content):
    for number in (1, 2, 3):
        publish(lake, number)
    for number in (1, 3):
        lake_files.remove(place(lake, number))
        if content is not None:
            lake_files.create(place(lake, number), content)
    with pytest.raises(ReleaseError, match="uninote releases rollback --to"):
        live_release(lake)
    pin(lake, 1, "audit")
    with pytest.raises(ReleaseError, match="restore it from a backup"):
        roll_back(lake, 1)
    state = roll_back(lake)
    assert (state.live, state.kept) == (2, (1, 2))
    assert state.change.endswith("their files cannot be read: 3")
    unpin(lake, 1)
    assert roll_back(lake, 2).kept == (2,)


def test_a_damaged_pointer_names_its_file(lake):
    publish(lake, 1)
    for number, content in enumerate(
        (b"{", b"{}", b"[]", b'{"kept": ["a"], "rejected": []}', b'{"kept": 1, "rejected": 2}'), 2
    ):
        file = lake_files.join(lake, "releases", f"live-{number:012d}.json")
        lake_files.create(file, content)
        with pytest.raises(ReleaseError, match=f"live-{number:012d}.json of the lake is damaged"):
            read_pointer(lake)
    assert [state.live for state in history(lake)] == [1, None, None, None, None, None]


def test_a_rollback_while_a_release_is_made_is_not_undone(lake):
    publish(lake, 1)
    publish(lake, 2)
    roll_back(lake)
    with pytest.raises(ReleaseError, match="readers were taken back to release 1"):
        change_pointer(lake, lambda before: _with_live(before, 3))
    assert read_pointer(lake).live == 1
    # Nor is one to yet another release, while the tables are brought back to the first.
    assert change_pointer(lake, lambda before: as_wanted(before, 2)).work_from == 1
    assert change_pointer(lake, lambda before: as_wanted(before, 1)).work_from is None
    assert change_pointer(lake, lambda before: _with_live(before, 3)).live == 3


def test_the_list_names_releases_that_cannot_be_read(tmp_path):
    lake = str(tmp_path)
    for number in (1, 2, 3):
        publish(lake, number)
    lake_files.remove(place(lake, 3))
    lake_files.write(place(lake, 2), b"{}")
    states = {one["release"]: one["state"] for one in releases_of(lake)["releases"]}
    assert states == {1: "kept", 2: "kept, its file is damaged", 3: "live, its file is gone"}


def test_the_list_tells_what_failed_from_what_is_not_kept(tmp_path):
    lake = str(tmp_path)
    publish(lake, 1)
    passed = replace(release(), gates=())
    write_release(lake, passed, 0)
    write_release(lake, release(), 0)
    publish(lake, 4)
    states = {one["release"]: one["state"] for one in releases_of(lake)["releases"]}
    assert states == {1: "kept", 2: "not kept", 3: "not published", 4: "live"}
