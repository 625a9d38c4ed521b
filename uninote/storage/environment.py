"""Which S3 service `s3a://` means: said once, in the environment of a process, where each library that asks S3 looks.

Delta's library, Arrow, obstore and boto3 each have options of their own for it. All of them read these variables, and so do
Spark's Python workers, which get them from the driver.
"""

from __future__ import annotations

import os

from uninote.storage.types import S3Options

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def variables(options: S3Options) -> dict[str, str]:
    """Return the variables that say where S3 is, by name: what `options` name, else what the environment says already."""
    found = {}
    endpoint = options.endpoint or _first(_ENDPOINTS)
    if endpoint is not None:
        found["AWS_ENDPOINT_URL"] = endpoint
        # Without it Delta's library looks for no profile where the service is not Amazon's.
        found["AWS_FORCE_CREDENTIAL_LOAD"] = "true"
        # Two of the libraries refuse a service without TLS unless it is allowed.
        if endpoint.startswith("http://"):
            found["AWS_ALLOW_HTTP"] = "true"
    region = options.region or _first(_REGIONS)
    if region is not None:
        for name in _REGIONS:
            found[name] = region
    return found


def export(options: S3Options) -> None:
    """Put the `variables` into this process's environment."""
    os.environ.update(variables(options))


def _first(names: tuple[str, ...]) -> str | None:
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    return None
