"""The Spark session of a job: its settings, and the checks that it can be relied on."""

from __future__ import annotations

from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from uninote.config.spark_settings import SETTINGS, find_conflicts, given_settings
from uninote.config.store_settings import HADOOP
from uninote.errors import ConfigError
from uninote.pipelines.runtime.environment import (
    check_started,
    choose_python,
    no_delta,
    prepare_start,
    share_imports,
    why_not_started,
)

_NO_JOINS = ("ingest", "embed", "train", "index")  # jobs whose workers never join notes


def open_session(app_name: str, settings: dict[str, str]) -> SparkSession:
    """Return the session, made on first use; `settings` come after the project's own, the fixed ones last.

    Raises SetupError when this Python or Spark cannot be used, ConfigError when a setting would make results wrong.
    """
    prepare_start()
    builder = SparkSession.builder.appName(f"uninote {app_name}")
    for name, value in {**SETTINGS, **settings, **given_settings()}.items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise why_not_started(error) from error
    context = spark.sparkContext
    check_started(context)
    choose_python(context)
    share_imports(context, app_name not in _NO_JOINS)
    if not spark.conf.get("spark.sql.extensions", "").startswith("io.delta"):  # type: ignore[union-attr]
        raise no_delta()
    _check_settings(spark)
    _complete_hadoop(spark)
    return spark


def _check_settings(spark: SparkSession) -> None:
    """Refuse what spark-defaults.conf or --conf set and no session can take back."""
    found = dict(spark.sparkContext.getConf().getAll())
    for name in given_settings():
        # The session got our value of it, whatever the file said.
        found.pop(name, None)
    if conflicts := list(find_conflicts(found)):
        raise ConfigError(f"Spark's own settings (spark-defaults.conf, --conf): {'; '.join(conflicts)}")


def _complete_hadoop(spark: SparkSession) -> None:
    """Set Hadoop where it has what came with it, and not where anybody has chosen."""
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    for name, value in HADOOP.items():
        # Where a value comes from: a file, or a call of Spark's for `spark.hadoop.…`.
        if list(hadoop.getPropertySources(name) or ()) in ([], ["core-default.xml"]):
            # A setting of the session, which Spark and Delta hand to Hadoop in driver and executors.
            spark.conf.set(name, value)
