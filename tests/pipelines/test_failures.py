"""What a person is told of an error: from texts as Java, Rust and Python print them, and from the real thing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from functools import partial

import deltalake
import pytest

from uninote.failures.explaining import explained
from uninote.lake.paths import Lake
from uninote.pipelines.job import run_job
from uninote.pipelines.lake import tables
from uninote.storage.types import StorageError

JAVA = "An error occurred while calling o9.load.\n: {}\n\tat java.base/java.io.Foo(Foo.java:1)\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("java.io.IOException: No space left on device", "the disk is full"),
        ("OSError: [Errno 27] File too large", "a file was to grow larger"),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk is full"),
        ("java.io.IOException: Mkdirs failed to create file:/proc/lake/notes/_delta_log", "a folder cannot be made at /proc"),
        ("[DELTA_CANNOT_CREATE_LOG_PATH] Cannot create file:/x/notes/_delta_log", "a folder cannot be made at /x/notes"),
        ("java.io.FileNotFoundException: /x/lake/notes/part-0.parquet (Permission denied)", "permission denied on"),
        ("java.nio.file.FileSystemException: file:/x/lake/runs/a: Read-only file system", "/x/lake/runs/a is on a file system"),
        ("io.delta.exceptions.ConcurrentAppendException: [DELTA_CONCURRENT_APPEND] x", "another run writes to this lake"),
        ("CommitFailedError: Transaction failed: Version already exists: 3", "another run writes to this lake"),
        ("[DELTA_UNSUPPORTED_FEATURES_FOR_READ] table \"file:/x/lake/notes\" requires", "/x/lake/notes was made by a newer"),
        ("Kernel error: Unsupported: Feature 'fromTheFuture' is not supported", "was made by a newer Delta"),
        ("[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:///x/lake/notes/_delta_log/03.json.",
         "the log of /x/lake/notes is damaged"),
        ("[DELTA_TRUNCATED_TRANSACTION_LOG] file:/x/lake/notes/_delta_log/00.json: Unable", "the log of /x/lake/notes is"),
        ("RuntimeException: corrupted file: the footer index is not within the file: -1", "the log of the lake is damaged"),
        ("Kernel error: Arrow error: EOF: file size of 12 is less than footer", "the log of the lake is damaged"),
        ("[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file:/x/l/w16/part-00.snappy.parquet. File",
         "files of /x/l/w16 are gone"),
        ("Object at location /x/lake/runs/part-0.parquet not found\n\x1b[31mNo such file or directory (os error 2)",
         "files of /x/lake/runs are gone"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/index/w64/manifest.json'", "manifest.json is not there"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/l/runs/part-0.parquet'", "files of /x/l/runs are gone"),
        ("[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:/x/l/w16/part-00.parquet.  SQLSTATE",
         "a file of /x/l/w16 is damaged"),
        ("java.lang.OutOfMemoryError: Java heap space", "Raise spark.driver.memory"),
        ("pyarrow.lib.ArrowMemoryError: malloc of size 99 failed", "a Python worker has no more memory"),
        ("Python worker exited unexpectedly (crashed)", "a Python worker was killed"),
        ("ModuleNotFoundError: No module named 'uninote'", "lacks a module of this job's (uninote)"),
        ("[PYTHON_VERSION_MISMATCH] Python in worker has different version", "another version than the driver's"),
        ('java.io.IOException: Cannot run program "/nowhere/python": error=2', "cannot be started"),
        ("Job 3 cancelled part of cancelled job group", "the job was cancelled in Spark"),
        ("java.net.BindException: Address already in use: Service 'SparkUI' failed", "a network port that Spark wants"),
        ("java.lang.UnsupportedClassVersionError: org/apache", "Java 17 or newer"),
        ("java.lang.ClassNotFoundException: io.delta.sql.DeltaSparkSessionExtension", "python -m uninote.install"),
        ("Total size of serialized results is bigger than spark.driver.maxResultSize (2.0 GiB)", "Raise spark.driver.max"),
    ],
)  # fmt: skip
def test_a_known_fault_is_one_sentence(text, told):
    said = explained(RuntimeError(JAVA.format(text)))
    assert told in said
    assert "\n" not in said
    assert "Foo.java" not in said


def test_an_unknown_error_tells_its_cause_and_our_line():
    text = f"{JAVA.format('a.b.Outer: x')}Caused by: a.b.Inner: the very cause\n\tat x\n"
    said = explained(RuntimeError(text))
    assert said.startswith("Inner: the very cause (at ")
    assert "UNINOTE_TRACE=1" in said
    with pytest.raises(AttributeError) as caught:
        Lake(None).uri("notes")
    assert "(at uninote/lake/paths.py:" in explained(caught.value)


def test_the_table_is_named_where_the_text_does_not():
    def read(uri):
        raise RuntimeError("Kernel error: Json error: Truncated record")

    with pytest.raises(RuntimeError) as caught:
        read("/x/lake/notes")
    assert "the log of /x/lake/notes is damaged" in explained(caught.value)


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    """A lake with one small table in several commits."""
    folder = tmp_path_factory.mktemp("faults")
    for _ in range(2):
        spark.range(5).write.format("delta").mode("append").save(str(folder / "lake" / "notes"))
    return folder / "lake"


def cut_log(table):
    log = table / "_delta_log"
    (log / f"{1:020d}.json").write_text('{"add": {"path"')
    (log / f".{1:020d}.json.crc").unlink()


def drop_files(table):
    for path in table.glob("*.parquet"):
        path.unlink()


def cut_files(table):
    for path in table.glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:40])


def ask_for_more(table):
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["x"], "writerFeatures": ["x"]}
    (table / "_delta_log" / f"{2:020d}.json").write_text(json.dumps({"protocol": protocol}) + "\n")


def run_probe(work, config_file, lake, capsys):
    code = run_job("probe", work, __file__, ["--config", str(config_file), "--set", f"lake={lake}"])
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "\tat " not in told
    return code, told


@pytest.mark.spark
@pytest.mark.parametrize(
    ("hurt", "told"),
    [
        (cut_log, "the log of {table} is damaged"),
        (drop_files, "files of {table} are gone"),
        (cut_files, "a file of {table} is damaged"),
        (ask_for_more, "{table} was made by a newer Delta"),
    ],
)
@pytest.mark.parametrize("reader", ["spark", "log"])
def test_a_damaged_table_is_named_with_what_to_do(lake, tmp_path, config_file, capsys, hurt, told, reader):
    copy = tmp_path / "lake"
    shutil.copytree(lake, copy)
    hurt(copy / "notes")

    def work(run):
        uri = run.lake.uri("notes")
        if reader == "spark":
            return {"rows": len(tables.read_table(run.spark, uri).collect())}
        return {"rows": deltalake.DeltaTable(uri).to_pyarrow_table().num_rows}

    code, said = run_probe(work, config_file, copy, capsys)
    assert code == 1
    assert f"error in probe: {told.format(table=copy / 'notes')}" in said


@pytest.mark.spark
def test_what_happens_to_workers_is_one_sentence(lake, config_file, capsys):
    def killed(batches):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from batches

    def starved(batches):
        raise MemoryError(len(list(batches)))

    def refused(batches):
        raise StorageError(
            "the bucket 'notes' cannot be reached with key AKIAIOSFODNN7EXAMPLE; start it, and run again."
        )
        yield from batches

    faults = (
        (killed, "error in probe: a Python worker was killed"),
        (starved, "error in probe: a Python worker has no more memory"),
        (
            refused,
            "error in probe: the bucket 'notes' cannot be reached with key [hidden]; start it, and run again. What",
        ),
    )
    for fault, told in faults:
        code, said = run_probe(partial(map_with, fault), config_file, lake, capsys)
        assert code == 1
        assert told in said


def map_with(fault, run):
    return run.spark.range(1).mapInArrow(fault, "id bigint").collect()
