"""A Spark that knows S3, for tests that are run by `make test-s3`, and in short by `make test-s3-short`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uninote.install.s3 import LOG_STORE_JAR
from uninote.storage import objects
from uninote.storage.environment import variables
from uninote.storage.types import S3Options

JARS = Path(os.environ.get("UNINOTE_S3_JARS", Path(__file__).parents[2] / ".venv" / "s3-jars"))


@pytest.fixture(scope="session")
def s3_folder() -> Path:
    """The folder with the jars that Spark needs for S3."""
    if not (JARS / LOG_STORE_JAR).exists():
        pytest.fail(f"{JARS} lacks what Spark needs for S3; run: python -m uninote.install --s3 {JARS}")
    return JARS.resolve()


@pytest.fixture(scope="session")
def s3_jars(s3_folder) -> str:
    """These jars, as `spark.jars` takes them."""
    return ",".join(sorted(map(str, s3_folder.glob("*.jar"))))


@pytest.fixture
def bucket(s3, monkeypatch, request):
    """A bucket of the test's own on a real S3 server, which this process and its children reach."""
    for name, value in variables(S3Options(s3.endpoint)).items():
        monkeypatch.setenv(name, value)
    objects.forget()
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower()).strip("-")
    yield s3.make_bucket(name[:60].rstrip("-")).replace("s3:", "s3a:")
    objects.forget()
