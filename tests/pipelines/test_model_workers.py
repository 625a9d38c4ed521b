"""The workers that compute the model."""

from __future__ import annotations

import pyarrow as pa
import pytest

from uninote.pipelines.runtime.environment import importing

pytestmark = pytest.mark.spark
MODULE = "uninote.model.hashing.encoder"


def test_functions_made_within_run_in_forks_of_a_process_that_has_imported_the_modules(spark):
    def seen(batches):
        import os
        import sys

        for _ in batches:
            yield pa.record_batch({"parent": [os.getppid()], "has_it": [MODULE in sys.modules]})

    schema = "parent bigint, has_it boolean"
    one = spark.range(0, 1, 1, 1)
    with importing(spark.sparkContext, [MODULE]):
        within = one.mapInArrow(seen, schema)
    found = [frame.collect()[0] for frame in (within, one.mapInArrow(seen, schema), within)]
    assert found[0]["has_it"]
    assert found[0]["parent"] == found[2]["parent"] != found[1]["parent"]
