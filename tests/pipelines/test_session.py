"""What a session sets of Hadoop, and what it leaves as somebody has set it."""

from __future__ import annotations

import pytest

from uninote.config.store_settings import HADOOP
from uninote.pipelines.runtime.session import open_session

pytestmark = pytest.mark.spark
PROVIDER = "fs.s3a.aws.credentials.provider"


def test_the_credentials_provider_is_ours_unless_somebody_chose_one(spark):
    assert spark.conf.get(PROVIDER) == HADOOP[PROVIDER]
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    before = hadoop.get(PROVIDER)
    spark.conf.unset(PROVIDER)
    # As spark-defaults.conf and --conf arrive there.
    hadoop.set(PROVIDER, "somebody.Elses", "Set by Spark from keys starting with 'spark.hadoop'")
    try:
        assert open_session("tests", {}).conf.get(PROVIDER, None) is None
    finally:
        hadoop.set(PROVIDER, before, "core-default.xml")
        open_session("tests", {})
    assert spark.conf.get(PROVIDER) == HADOOP[PROVIDER]
