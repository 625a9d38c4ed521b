"""One Spark session, one small demo corpus and one small checkpoint for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import write_config
from s3_server import ENVIRONMENT, s3_server

from uninote.config.loading import load_config
from uninote.model.hashing.folder import write_card
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.session import open_session
from uninote.storage import objects
from uninote.storage.environment import variables
from uninote.storage.types import S3Options


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory):
    """Where the demo corpus and its checkpoint are made once."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """The session every Spark test shares: no web UI, few partitions, a warehouse of its own."""
    session = open_session(
        "tests",
        {
            "spark.ui.enabled": "false",
            # Hundreds of small queries: the JVM's second compiler would cost more than it ever saves here, and so would
            # a collector with threads of its own.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
            # Compiling each query's own code costs more than it saves on a handful of rows.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.shuffle.partitions": "2",
            "spark.databricks.delta.snapshotPartitions": "1",
            **{f"spark.executorEnv.{name}": value for name, value in ENVIRONMENT.items()},  # what S3 asks for
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        },
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A real S3 server for the whole run, and the environment that boto3 needs for it."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3, monkeypatch, request):
    """A bucket of the test's own on a real S3 server, which this process and its children reach."""
    for name, value in variables(S3Options(s3.endpoint)).items():
        monkeypatch.setenv(name, value)
    objects.forget()
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower()).strip("-")
    yield s3.make_bucket(name[:60].rstrip("-")).replace("s3:", "s3a:")
    objects.forget()


@pytest.fixture(params=["disk", "s3"])
def lake_place(request, tmp_path):
    """A folder for a lake: on a disk, or in a bucket of its own."""
    return str(tmp_path / "lake") if request.param == "disk" else request.getfixturevalue("bucket")


@pytest.fixture(scope="session")
def quick_model(tmp_path_factory):
    """Settings of an encoder that reads texts and images and needs no torch, which takes each worker seconds to import."""
    folder = tmp_path_factory.mktemp("hashing")
    write_card(folder, (64, 128, 256))
    return "model.kind=feature-hashing", f"model.checkpoint={folder}"


@pytest.fixture
def config_file(tmp_path, demo_folder) -> Path:
    """A configuration whose lake is the test's own."""
    return write_config(tmp_path, demo_folder)


@pytest.fixture
def make_run(spark, config_file):
    """Return a function from overrides to a fresh run on the test's lake."""

    def make(*overrides: str) -> Run:
        return Run(spark, load_config(config_file, overrides), overrides)

    return make
