"""When queries are compiled: by rows, unless the session says."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from uninote.pipelines.runtime.compilation import INTERPRETED_ROWS, compile_for

NAMES = ("spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode")
pytestmark = pytest.mark.spark


@pytest.fixture
def other_session(spark: SparkSession, monkeypatch: pytest.MonkeyPatch):
    """A session whose context was not configured with either; the tests' own was."""
    session = spark.newSession()
    configured = spark.sparkContext.getConf()
    bare = {name: value for name, value in configured.getAll() if name not in NAMES}
    monkeypatch.setattr(
        session.sparkContext, "getConf", lambda: type(configured)(loadDefaults=False).setAll([*bare.items()])
    )
    return session


def test_queries_over_many_rows_are_compiled_and_others_interpreted(other_session):
    compile_for(other_session, INTERPRETED_ROWS)
    assert [other_session.conf.get(name) for name in NAMES] == ["true", "FALLBACK"]
    compile_for(other_session, INTERPRETED_ROWS - 1)
    assert [other_session.conf.get(name) for name in NAMES] == ["false", "NO_CODEGEN"]


def test_a_session_that_was_configured_stays_as_it_is(spark):
    compile_for(spark, INTERPRETED_ROWS)
    assert [spark.conf.get(name) for name in NAMES] == ["false", "NO_CODEGEN"]
