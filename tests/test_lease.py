"""The lease of a lake: one writer at a time, whoever is killed, stopped or woken, on a disk and in a real S3 store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from lease_holder import COMMITS, INDEX, ROWS, publish

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.published import places, read_newest
from uninote.lake.delta_files import append_rows
from uninote.lake.lease.chain import Chain
from uninote.lake.lease.fence import APP, commits_under, look
from uninote.lake.lease.lease import FOLDER, LakeBusyError, LeaseLostError, take
from uninote.lake.lease.process import Process
from uninote.storage import lake_files, objects
from uninote.storage.environment import variables
from uninote.storage.types import S3Options
from uninote.upkeep.places import tables_below
from uninote.upkeep.writing import writing

HOLDER = Path(__file__).parent / "lease_holder.py"
TERM_S = 1.0
REFUSED = ("LeaseLostError this run was silent for so long", "PublishedSinceError")


@pytest.fixture(params=["disk", "s3"])
def lake(request, tmp_path, monkeypatch):
    """A lake with one table of two versions, made under a lease that was given back."""
    if request.param == "disk":
        root = str(tmp_path / "lake")
    else:
        server = request.getfixturevalue("s3")
        for name, value in variables(S3Options(server.endpoint)).items():
            monkeypatch.setenv(name, value)
        objects.forget()
        root = server.make_bucket(f"lease-{time.monotonic_ns()}").replace("s3:", "s3a:")
    lease = take(root, "ingest", "first")
    with commits_under(lease):
        append_rows(f"{root}/table", pa.table({"note_id": ["a", "b"], "value": [1, 2]}))
        publish(root, b"first")
    lease.release()
    yield root
    objects.forget()


class Holder:
    """A process that holds a lease."""

    def __init__(self, lake: str, term_s: float = TERM_S) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HOLDER), lake, str(term_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.held = self.process.stdout.readline().strip()

    def ask(self, commit: str) -> str:
        """Return what comes of a commit."""
        self.process.stdin.write(f"{commit}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Let it give the lease back."""
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture
def holder(lake):
    """A process that holds the lease of `lake`."""
    found = Holder(lake)
    yield found
    found.process.kill()
    found.process.wait()


def values(lake: str) -> list[int]:
    """Return what is in the table."""
    return sorted(DeltaTable(f"{lake}/table").to_pyarrow_table()["value"].to_pylist())


def test_a_second_run_is_told_who_writes_and_the_next_one_need_not_wait(lake, holder):
    assert holder.held == "held 3"  # taken and given back by the first
    with pytest.raises(
        LakeBusyError, match=rf"embed \(run run-of-a-test, process {holder.process.pid} on .*let it end"
    ):
        take(lake, "ingest", "second")
    assert holder.ask("append") == "done"
    holder.end()
    started = time.monotonic()
    lease = take(lake, "ingest", "third", term_s=60)
    assert time.monotonic() - started < 10
    assert not lease.took_over
    lease.release()
    assert values(lake) == [-1, 1, 2]


def test_a_run_that_was_killed_here_is_known_to_be_dead(lake, holder):
    long = Holder(lake + "/other", term_s=3600)
    long.process.kill()
    long.process.wait()
    started = time.monotonic()
    lease = take(lake + "/other", "ingest", "second")
    assert lease.took_over
    assert time.monotonic() - started < 10
    lease.release()


@pytest.mark.parametrize("commit", sorted(COMMITS))
def test_a_run_that_sleeps_past_its_lease_commits_nothing_when_it_wakes(lake, holder, commit):
    # The change is one of a row that is there, so that it would be a commit.
    os.kill(holder.process.pid, signal.SIGSTOP)
    with writing(lake, "refresh", "second"):
        version = DeltaTable(f"{lake}/table").version()
        append_rows(f"{lake}/table", pa.table({"note_id": ["c"], "value": [3]}))
        os.kill(holder.process.pid, signal.SIGCONT)
        assert holder.ask(commit).startswith(REFUSED)
        assert values(lake) == [1, 2, 3]
        assert DeltaTable(f"{lake}/table").version() == version + 1
        assert read_newest(IndexFolder(f"{lake}/{INDEX}")) == b"first"
    assert holder.ask(commit).startswith(REFUSED)


def test_a_run_that_is_stopped_right_before_it_publishes_an_index_changes_nothing(lake, tmp_path):
    """The process is stopped by itself when it has chosen the name of its manifest: no look can be later than that."""
    sleeper = Holder(lake)
    sleeper.process.stdin.write("sleepy manifest\n")
    sleeper.process.stdin.flush()
    folder = IndexFolder(f"{lake}/{INDEX}")
    assert sleeper.process.stdout.readline().strip() == "stops"
    wait_until_stopped(sleeper.process.pid)
    with writing(lake, "index", "second"):
        assert read_newest(folder) == b"first"
        os.kill(sleeper.process.pid, signal.SIGCONT)
        assert sleeper.process.stdout.readline().startswith("PublishedSinceError the index in")
        # Its file is there, and nobody reads it.
        assert [place.number for place in places(folder)] == [1, 1, 0]
        assert read_newest(folder) == b"first"
        publish(lake, b"second")
    assert read_newest(folder) == b"second"
    sleeper.process.kill()
    sleeper.process.wait()


def wait_until_stopped(pid: int) -> None:
    """Return when a process is stopped."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)


def test_a_woken_run_that_has_not_noticed_yet_is_stopped_by_the_table(lake):
    """Between its look at the lease and its commit a run may be stopped as well: then the table itself refuses."""
    sleeper = take(lake, "embed", "sleeper", term_s=3600)
    sleeper._stop.set()  # gives no sign any more
    stale = DeltaTable(f"{lake}/table")
    chain = Chain(lake_files.join(lake, FOLDER))
    entry = chain.last()
    chain.add(entry.number, entry.content.replace(b'"held"', b'"released"'))
    with writing(lake, "refresh", "second"):
        append_rows(f"{lake}/table", pa.table({"note_id": ["c"], "value": [3]}))
    with commits_under(sleeper), pytest.raises(LeaseLostError):
        append_rows(f"{lake}/table", ROWS)
    assert stale.version() < DeltaTable(f"{lake}/table").version()
    assert values(lake) == [1, 2, 3]


def test_a_lease_that_was_not_given_back_fences_every_table(lake, holder):
    append_rows(f"{lake}/0123456789abcdef/embeddings/w64", ROWS)
    holder.process.kill()
    holder.process.wait()
    with writing(lake, "refresh", "second"):
        number = Chain(lake_files.join(lake, FOLDER)).numbers()[-1]
        for uri in tables_below(lake):
            table = DeltaTable(uri)
            assert table.transaction_version(APP) >> 24 == number
            assert table.history(1)[0]["operation"] == "FENCE"
    assert len(list(tables_below(lake))) == 2


def test_uploads_that_a_dead_run_never_finished_are_given_up(s3, monkeypatch):
    for name, value in variables(S3Options(s3.endpoint)).items():
        monkeypatch.setenv(name, value)
    objects.forget()
    s3.make_bucket("uploads")

    def begin(key: str) -> None:
        begun = s3.client.create_multipart_upload(Bucket="uploads", Key=key)
        part = {"UploadId": begun["UploadId"], "PartNumber": 1, "Body": b"x" * 100}
        s3.client.upload_part(Bucket="uploads", Key=key, **part)

    def unfinished() -> list[str]:
        return sorted(one["Key"] for one in s3.client.list_multipart_uploads(Bucket="uploads").get("Uploads", ()))

    lease = take("s3a://uploads/lake", "embed", "run")
    begin("lake/notes/part.parquet")
    begin("lake-2/notes/part.parquet")
    lease.release()
    with writing("s3a://uploads/lake", "embed", "next", options=S3Options(s3.endpoint)):
        # Of a job that only reads, perhaps: it is not an hour old.
        assert unfinished() == ["lake-2/notes/part.parquet", "lake/notes/part.parquet"]
    killed = Holder("s3a://uploads/lake")
    killed.process.kill()
    killed.process.wait()
    with writing("s3a://uploads/lake", "embed", "last", options=S3Options(s3.endpoint)):
        assert unfinished() == ["lake-2/notes/part.parquet"]


def test_of_many_that_want_a_lake_one_gets_it(lake):
    def try_to(number: int) -> object:
        try:
            return take(lake, "embed", f"run-{number}", TERM_S)
        except LakeBusyError as error:
            return error

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(try_to, range(6)))
    leases = [one for one in found if not isinstance(one, LakeBusyError)]
    assert len(leases) == 1
    leases[0].release()


def test_a_holder_gives_signs_and_removes_old_ones(lake):
    lease = take(lake, "embed", "run", term_s=0.2)
    time.sleep(1.5)
    numbers = Chain(lake_files.join(lake, FOLDER)).numbers()
    assert numbers[-1] > lease.number + 8
    assert len(numbers) <= 9
    lease.check()
    lease.release()
    following = take(lake, "embed", "next")
    assert following.took_over is False
    following.release()


def test_a_damaged_entry_is_said_and_numbers_go_on_in_a_lake_without_leases(lake):
    chain = Chain(lake_files.join(lake, FOLDER))
    highest = chain.add(chain.last().number, b"{").number
    with pytest.raises(UninoteError, match="of the lake's leases is damaged"):
        take(lake, "embed", "run")
    lake_files.remove_folder(chain.uri)
    with writing(lake, "embed", "run"):
        # The first run had number 1, which the table has seen.
        assert 1 < chain.numbers()[-1] < highest
        append_rows(f"{lake}/table", pa.table({"note_id": ["c"], "value": [3]}))
    assert values(lake) == [1, 2, 3]


def test_a_process_of_another_host_or_container_is_not_known_to_be_dead():
    own = Process.own()
    assert not own.is_dead()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    ended = Process(own.host, own.space, child.pid, "1")
    assert ended.is_dead()
    assert not Process("elsewhere", "another boot/pid:[1]", child.pid, "1").is_dead()
    assert not Process(own.host, "", child.pid, "1").is_dead()


def test_a_file_that_is_no_table_is_looked_after_by_the_lease_itself(lake):
    lease = take(lake, "index", "run", term_s=3600)
    with commits_under(lease):
        look()
        chain = Chain(lake_files.join(lake, FOLDER))
        entry = chain.last()
        chain.add(entry.number, entry.content.replace(b'"held"', b'"released"'))
        take(lake, "index", "second").release()
        with pytest.raises(LeaseLostError, match=r"index \(run second"):
            look()


@pytest.mark.parametrize("was_there", [True, False])
def test_a_job_that_makes_nothing_leaves_nothing(tmp_path, was_there):
    lake = tmp_path / "mistyped"
    if was_there:
        lake.mkdir()
    with writing(str(lake), "embed", "run"):
        assert [path.name for path in lake.iterdir()] == [FOLDER]
    assert lake.exists() == was_there
    assert not was_there or list(lake.iterdir()) == []
