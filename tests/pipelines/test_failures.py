"""What a person is told of an error that came through Spark."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from uninote.pipelines.failures import explained
from uninote.storage import StorageError


@pytest.mark.spark
def test_an_error_of_ours_in_a_worker_comes_through_as_one_sentence(spark):
    def fail(batches):
        raise StorageError("the bucket 'notes' cannot be reached at http://127.0.0.1:1; start it, and run again.")

    with pytest.raises(PySparkException) as caught:
        spark.range(1).mapInArrow(fail, "id bigint").collect()
    assert explained(caught.value) == (
        "the bucket 'notes' cannot be reached at http://127.0.0.1:1; start it, and run again"
    )


def test_a_full_disk_is_named():
    told = explained(RuntimeError("java.io.IOException: No space left on device\n\tat java.base/java.io"))
    assert told is not None
    assert "the disk is full" in told


def test_anything_else_keeps_its_traceback():
    assert explained(RuntimeError("unheard of")) is None
