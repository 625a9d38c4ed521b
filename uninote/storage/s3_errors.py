"""What the errors of an S3 service mean: for one object, or for all of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import urllib3.exceptions
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from uninote.storage.types import (
    ForbiddenFileError,
    MissingFileError,
    S3Options,
    SlowFileError,
    StorageError,
    UnreachableError,
)

MAX_KEY_BYTES = 1024  # S3's own rules
BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
CREDENTIALS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile or the role that this process runs with"
RESUME = "run again when it answers: what is done is kept"


@dataclass(frozen=True)
class Fault:
    """Which error some codes of S3 mean, in words, and what to do."""

    codes: frozenset[str]
    kind: type[StorageError]
    problem: str
    remedy: str


def _fault(codes: str, kind: type[StorageError], problem: str, remedy: str) -> Fault:
    return Fault(frozenset(codes.split()), kind, problem, remedy)


ABSENT = _fault(
    "NoSuchKey NoSuchVersion NotFound 404 InvalidURI KeyTooLongError", MissingFileError, "there is no such object", ""
)
REFUSED = _fault(
    "", ForbiddenFileError, "the store refuses it", "Does the account have s3:GetObject and s3:ListBucket for it?"
)
FAILING = _fault(
    "SlowDown Throttling ThrottlingException TooManyRequests RequestLimitExceeded BandwidthLimitExceeded 429",
    UnreachableError,
    "the store fails, or asks for fewer requests, at every attempt",
    f"Lower media.threads if it throttles, correct s3.endpoint if that is no S3 service, or {RESUME}",
)
FAULTS = (
    ABSENT,
    FAILING,
    _fault(
        "NoSuchBucket InvalidBucketName", StorageError, "there is no such bucket", "Correct the URI, or s3.endpoint"
    ),
    _fault(
        "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken TokenRefreshRequired InvalidSecurity"
        " RequestTimeTooSkewed AuthFailure NotSignedUp AccountProblem AllAccessDisabled UnrecognizedClientException",
        StorageError,
        "the credentials are not accepted",
        CREDENTIALS,
    ),
    _fault(
        "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException 301 307",
        StorageError,
        "the bucket is in another region",
        "Set s3.region",
    ),
)


@dataclass(frozen=True)
class Place:
    """A bucket and a key in it, as `uri` names them; `options` say where that is."""

    uri: str
    bucket: str
    key: str
    options: S3Options

    @classmethod
    def of(cls, uri: str, options: S3Options) -> Place:
        """Return the place of an `s3://bucket/prefix`, whose key may be empty. Raises StorageError without a bucket."""
        bucket, _, key = uri.partition("://")[2].partition("/")
        if not BUCKET.fullmatch(bucket):
            raise StorageError(
                f"{uri[:200]!r} names no bucket; it should be s3://bucket/key, the bucket as S3 allows it"
            )
        return cls(uri, bucket, key, options)

    @classmethod
    def of_file(cls, uri: str, options: S3Options) -> Place:
        """Return the place of one object. Raises MissingFileError for a key that no object can have."""
        place = cls.of(uri, options)
        size = len(place.key.encode(errors="replace"))
        if not 0 < size <= MAX_KEY_BYTES or "\0" in place.key or not _is_text(place.key):
            raise MissingFileError(f"{uri[:200]!r} names no object: keys are 1 to {MAX_KEY_BYTES} bytes of UTF-8 text")
        return place

    def __str__(self) -> str:
        where = self.options.endpoint or "the S3 endpoint of this environment"
        return f"{self.uri} at {_without_secrets(where)}"

    def hangs(self, files: int) -> UnreachableError:
        """Return the error for a store that answered none of so many requests in time."""
        limit = f"none of the last {files} files came within media.timeout_s = {self.options.timeout_s:g}"
        return UnreachableError(f"cannot use {self}: {limit}. Raise it if the store is slow, or {RESUME}")


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turn the errors of boto3 and of the network into StorageError and its children."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(place, error) from error
    except (ReadTimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
        # The first comes before the answer's body, the second while it is read.
        limit = f"media.timeout_s = {place.options.timeout_s:g}, retries included"
        raise SlowFileError(f"{place} did not come within {limit}") from error
    except (BotoCoreError, urllib3.exceptions.HTTPError) as error:
        raise _of_network(place, error) from error


def _of_answer(place: Place, error: ClientError) -> StorageError:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # What is neither known nor the server's own fault is taken for this object's: an archived one, a key it abhors.
    fault = FAILING if status >= 500 or status == 429 else REFUSED
    for known in FAULTS:
        if code in known.codes:
            fault = known
            break
    said = f"{code}, {status}: {str(answer.get('Message', ''))[:200]}"
    return fault.kind(f"cannot use {place}: {fault.problem} ({said}). {fault.remedy}".rstrip(". "))


def _of_network(place: Place, error: Exception) -> StorageError:
    kind = type(error).__name__
    said = _without_secrets(str(error))[:300]
    if "Credential" in kind or "Profile" in kind or "Token" in kind:
        return StorageError(f"cannot use {place}: there are no usable credentials ({said}). {CREDENTIALS}")
    remedy = f"Correct the URI, s3.endpoint or s3.region, or {RESUME}"
    return UnreachableError(
        f"cannot use {place}: {kind} after up to {place.options.attempts} attempts: {said}. {remedy}"
    )


def _without_secrets(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True
