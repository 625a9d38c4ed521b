"""What may go wrong with a real S3 server and on the way to it: what is retried, and whose fault it is."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flaky_proxy import proxy
from s3_server import ENVIRONMENT, free_port

from uninote.storage.files import list_files, read_bytes, stat
from uninote.storage.s3_client import CLIENTS
from uninote.storage.types import (
    ForbiddenFileError,
    MissingFileError,
    S3Options,
    SlowFileError,
    StorageError,
    UnreachableError,
)

CONTENT = bytes(range(256)) * 400  # more than one piece


@pytest.fixture
def options(s3):
    """How the real server is reached."""
    return S3Options(endpoint=s3.endpoint, timeout_s=20)


@pytest.fixture
def fresh_clients():
    """Clients are kept, and with them the credentials they were made with."""
    CLIENTS.forget()
    yield
    CLIENTS.forget()


@pytest.fixture
def flaky(s3):
    """A proxy before the real server."""
    with proxy(s3.endpoint) as plan:
        yield plan


# Permanent errors of S3, which are asked for once


@pytest.mark.parametrize("operation", [read_bytes, stat])
def test_a_bucket_that_is_not_there_is_no_missing_file(options, operation):
    with pytest.raises(StorageError, match=r"s3://nowhere/a at .*: there is no such bucket .*NoSuchBucket") as caught:
        operation("s3://nowhere/a", options)
    assert type(caught.value) is StorageError


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.usefixtures("fresh_clients")
def test_wrong_credentials_stop_the_run_and_are_not_told(s3, options, monkeypatch, name):
    uri = s3.put("s3://media/a", CONTENT)
    monkeypatch.setenv(name, "wrong-value")
    for operation in (read_bytes, stat, list_files):
        with pytest.raises(
            StorageError, match=r"the credentials are not accepted .* Check AWS_ACCESS_KEY_ID"
        ) as caught:
            operation(uri, options)
        assert type(caught.value) is StorageError
        assert not any(secret in str(caught.value) for secret in ("wrong-value", ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]))


@pytest.mark.usefixtures("fresh_clients")
def test_no_credentials_at_all_say_where_they_would_come_from(options, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageError, match=r"no usable credentials .* Check AWS_ACCESS_KEY_ID .*, the profile or"):
        read_bytes("s3://media/a", options)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, ForbiddenFileError), (400, ForbiddenFileError), (404, MissingFileError)]
)
def test_permanent_errors_are_not_retried(flaky, options, status, kind):
    flaky.status, flaky.failures = status, 100
    with pytest.raises(StorageError) as caught:
        read_bytes("s3://media/a", replace(options, endpoint=flaky.endpoint))
    assert type(caught.value) is kind
    assert len(flaky.requests) == 1


@pytest.mark.parametrize("uri", ["s3://", "s3:///a", "s3://no bucket/a"])
def test_a_uri_without_a_bucket_is_told(options, uri):
    for operation in (read_bytes, list_files):
        with pytest.raises(StorageError, match="names no bucket; it should be s3://bucket/key"):
            operation(uri, options)


def test_an_endpoint_that_is_none_is_explained():
    with pytest.raises(StorageError, match=r"s3\.endpoint or s3\.region is wrong: Invalid endpoint: nowhere"):
        read_bytes("s3://media/a", S3Options(endpoint="nowhere"))


def test_a_server_of_another_kind_is_explained(flaky, options):
    flaky.status, flaky.body, flaky.failures = 200, b"<html>Welcome<p>to the console</html>", 100
    with pytest.raises(StorageError, match=r"correct s3\.endpoint if that is no S3 service"):
        list_files("s3://media/a", replace(options, endpoint=flaky.endpoint, attempts=2))


def test_secrets_in_an_endpoint_are_not_told():
    with pytest.raises(StorageError) as caught:
        read_bytes("s3://media/a", S3Options(endpoint=f"http://user:password@127.0.0.1:{free_port()}", attempts=1))
    assert "password" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# Errors of S3 that may pass


@pytest.mark.parametrize("operation", [read_bytes, stat])
@pytest.mark.parametrize("status", [503, 500, 429])
def test_passing_errors_are_retried(s3, flaky, options, operation, status):
    uri = s3.put("s3://media/a", CONTENT)
    flaky.status, flaky.failures = status, 1
    operation(uri, replace(options, endpoint=flaky.endpoint))
    assert len(flaky.requests) == 2


def test_errors_that_do_not_pass_are_the_stores(flaky, options):
    flaky.failures = 100
    with pytest.raises(StorageError, match=r"fails, or asks for fewer requests.*what is done is kept") as caught:
        read_bytes("s3://media/a", replace(options, endpoint=flaky.endpoint, attempts=2))
    assert type(caught.value) is UnreachableError
    assert len(flaky.requests) == 2


def test_a_connection_that_breaks_within_the_content_is_tried_again(s3, flaky, options):
    uri = s3.put("s3://media/a", CONTENT)
    flaky.cuts = 2
    assert read_bytes(uri, replace(options, endpoint=flaky.endpoint)) == CONTENT
    assert len(flaky.requests) == 3
    flaky.cuts = 100
    with pytest.raises(StorageError, match="after up to 2 attempts") as caught:
        read_bytes(uri, replace(options, endpoint=flaky.endpoint, attempts=2))
    assert type(caught.value) is UnreachableError


def test_a_server_that_is_down_is_told_soon_and_found_again(s3):
    options = S3Options(endpoint=s3.endpoint, timeout_s=2, attempts=2)
    uri = s3.put("s3://media/a", CONTENT)
    assert read_bytes(uri, options) == CONTENT
    s3.stop()
    try:
        for operation in (read_bytes, stat, list_files):
            started = time.monotonic()
            with pytest.raises(StorageError, match=f"cannot use {uri} at {s3.endpoint}: EndpointConnection") as caught:
                operation(uri, options)
            assert type(caught.value) is UnreachableError
            assert time.monotonic() - started < 4
    finally:
        s3.start()
    assert read_bytes(uri, options) == CONTENT


# The time limit


def slow_options(endpoint: str, timeout_s: float = 0.6) -> S3Options:
    return S3Options(endpoint=endpoint, timeout_s=timeout_s, attempts=3)


@pytest.mark.parametrize("plan", [{"delay_s": 2.0}, {"pieces": 200, "pause_s": 0.05}])
def test_a_file_that_takes_too_long_is_given_up_in_time(s3, flaky, plan):
    uri = s3.put("s3://media/a", CONTENT)
    for name, value in plan.items():
        setattr(flaky, name, value)
    options, started = slow_options(flaky.endpoint), time.monotonic()
    with pytest.raises(SlowFileError, match=r"did not come within media\.timeout_s = 0\.6"):
        read_bytes(uri, options)
    assert 0.55 < time.monotonic() - started < 2.5


def test_the_limit_holds_for_retries_together(flaky):
    flaky.failures = 100
    options, started = replace(slow_options(flaky.endpoint), attempts=7), time.monotonic()
    with pytest.raises(StorageError, match="fails, or asks for fewer requests"):
        read_bytes("s3://media/a", options)
    assert time.monotonic() - started < 5


def test_a_store_that_answers_nothing_in_time_is_not_the_files_fault(flaky, monkeypatch):
    monkeypatch.setattr("uninote.storage.s3_client.SLOW_IN_A_ROW", 6)
    flaky.delay_s = 2.0
    options = S3Options(endpoint=flaky.endpoint, timeout_s=0.4, attempts=1)

    def outcome(_) -> type[Exception]:
        with pytest.raises(StorageError) as caught:
            read_bytes("s3://media/a", options)
        return type(caught.value)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(outcome, range(20)))
    assert outcomes[0] is SlowFileError
    assert outcomes[-1] is UnreachableError
