"""A Spark that knows S3, for tests that are run by `make test-s3`, and in short by `make test-s3-short`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uninote.install.s3 import LOG_STORE_JAR

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
