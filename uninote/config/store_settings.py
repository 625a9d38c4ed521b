"""What Spark must know of the object store that a lake lies in."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from uninote.storage.environment import variables
from uninote.storage.types import S3_SCHEMES, S3Options

LOG_STORE = "uninote.ConditionalLogStore"
HADOOP = {
    # The chain that all of Amazon's tools walk. Hadoop's own leaves out profiles and commands.
    "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
}
"""What Hadoop is set to where nobody has set it: neither spark-defaults.conf, nor --conf, nor a core-site.xml."""
_LOG_STORES = {"s3a": LOG_STORE, "gs": "io.delta.storage.GCSLogStore"}


def store_settings(places: Iterable[str], options: S3Options) -> dict[str, str]:
    """Return Spark's settings for a lake and tables at these URIs; none where all are on disks.

    Credentials are never among them: Spark's settings are shown in its UI and written into its logs.
    """
    settings = {}
    for scheme in {urlsplit(place).scheme.lower() for place in places}:
        if scheme in _LOG_STORES:
            # Delta's own for S3 looks whether a version is there and then overwrites it: of two writers one would be lost.
            settings[f"spark.delta.logStore.{scheme}.impl"] = _LOG_STORES[scheme]
        if scheme in S3_SCHEMES:
            settings |= _s3a(variables(options))
    return settings


def _s3a(known: dict[str, str]) -> dict[str, str]:
    settings = {}
    if endpoint := known.get("AWS_ENDPOINT_URL"):
        settings["spark.hadoop.fs.s3a.endpoint"] = endpoint
        # Other services than Amazon's have no host name for each bucket.
        settings["spark.hadoop.fs.s3a.path.style.access"] = "true"
    if region := known.get("AWS_REGION"):
        settings["spark.hadoop.fs.s3a.endpoint.region"] = region
    # For Python in executors.
    for name, value in known.items():
        settings[f"spark.executorEnv.{name}"] = value
    return settings
