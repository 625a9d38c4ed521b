"""The S3 half of `uninote.storage.files`: objects read, listed, and copied in both directions."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError
from urllib3.exceptions import HTTPError

from uninote.storage.s3_client import CLIENTS, late, within
from uninote.storage.s3_errors import Place, explained
from uninote.storage.types import ExistingFileError, FileStat, MissingFileError, S3Options, StorageError

TRANSFER_THREADS = 8  # of all files of one call together
PIECE = 1 << 16
_TAKEN = (409, 412)  # what stores answer where another has the name, or is about to get it


def read_bytes(uri: str, options: S3Options, limit: int | None) -> bytes:
    """Return the object's content, of which at most limit + 1 bytes are read."""
    place = Place.of_file(uri, options)
    with within(options.timeout_s), CLIENTS.watched(place):
        client = CLIENTS.get(options)
        attempt = 1
        while True:
            try:
                return _read_once(client, place, limit)
            except (HTTPError, IncompleteReadError):
                # The connection broke after the answer had begun.
                if attempt >= options.attempts or late():
                    raise
            time.sleep(random.uniform(0, 0.1 * 2**attempt))
            attempt += 1


def stat(uri: str, options: S3Options) -> FileStat:
    """Return the object's size and etag (or its time, where a store gives no etag)."""
    place = Place.of_file(uri, options)
    with within(options.timeout_s), CLIENTS.watched(place):
        client = CLIENTS.get(options)
        try:
            found = client.head_object(Bucket=place.bucket, Key=place.key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise
            # The answer to HEAD has no body: only GET says whether object, bucket or credentials are at fault.
            found = client.get_object(Bucket=place.bucket, Key=place.key)
            found["Body"].close()
    version = found.get("ETag") or found["LastModified"].isoformat()
    return FileStat(found["ContentLength"], version.strip('"'))


def list_sizes(uri: str, options: S3Options, start: str = "") -> dict[str, int]:
    """Return the sizes of all objects below a prefix, by their names relative to it, which begin with `start`.

    Folder markers are left out.
    """
    place = Place.of(uri, options)
    prefix = f"{place.key.rstrip('/')}/" if place.key else ""
    sizes = {}
    with explained(place):
        pages = (
            CLIENTS.get(options).get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix + start)
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):
                    sizes[entry["Key"].removeprefix(prefix)] = entry["Size"]
    return sizes


def fetch_folder(uri: str, target: Path, options: S3Options) -> None:
    """Download all objects below a prefix into `target`, several at once and large ones in parts."""
    sizes = list_sizes(uri, options)
    if not sizes:
        raise MissingFileError(f"there is no object below {uri!r}; name a prefix that holds some")
    place = Place.of(uri, options)
    with explained(place), _transfers(options) as manager:
        # All are submitted before any is waited for, so that they come side by side.
        downloads = []
        for name in sizes:
            path = _inside(target, name, uri)
            path.parent.mkdir(parents=True, exist_ok=True)
            key = "/".join(filter(None, (place.key.rstrip("/"), name)))
            downloads.append(manager.download(place.bucket, key, str(path)))
        _finish(downloads)
    # An object may be replaced between the listing and its download: then the folder is of two versions.
    for name, size in sizes.items():
        found = (target / name).stat().st_size
        if found != size:
            raise StorageError(
                f"{uri}: {name!r} came with {found:,} of {size:,} bytes; was it replaced meanwhile? Run again"
            )


def fetch_file(uri: str, path: Path, options: S3Options) -> None:
    """Download one object, a large one in parts."""
    place = Place.of_file(uri, options)
    with explained(place), _transfers(options) as manager:
        _finish([manager.download(place.bucket, place.key, str(path))])


def remove_file(uri: str, options: S3Options) -> None:
    """Delete one object; one that is not there is fine."""
    place = Place.of_file(uri, options)
    with explained(place):
        CLIENTS.get(options).delete_object(Bucket=place.bucket, Key=place.key)


def write_file(path: Path, uri: str, options: S3Options) -> None:
    """Upload a file, a large one in parts; the object appears when all of it is there."""
    place = Place.of_file(uri, options)
    with explained(place), _transfers(options) as manager:
        _finish([manager.upload(str(path), place.bucket, place.key)])


def create_file(uri: str, content: bytes, options: S3Options) -> None:
    """Store an object that replaces none. Raises ExistingFileError, and changes nothing, where one is there."""
    place = Place.of_file(uri, options)
    with explained(place):
        client = CLIENTS.get(options)
        try:
            client.put_object(Bucket=place.bucket, Key=place.key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _TAKEN:
                raise
            # The store may have taken the object while its answer was lost: tried again, it finds the caller's own object.
            if _read_once(client, place, None) != content:
                raise ExistingFileError(f"{uri} exists already") from error


def end_uploads(uri: str, options: S3Options, older_than_s: float) -> int:
    """Give up the uploads in parts below a prefix that began so long ago, by the store's clock; returns how many.

    Their parts are in no listing of objects, and are paid for.
    """
    place = Place.of(uri, options)
    ended = 0
    with explained(place):
        client = CLIENTS.get(options)
        for page in client.get_paginator("list_multipart_uploads").paginate(
            Bucket=place.bucket, Prefix=f"{place.key.rstrip('/')}/"
        ):
            now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            for upload in page.get("Uploads", ()):
                if (now - upload["Initiated"]).total_seconds() >= older_than_s:
                    # Whoever began it may have finished it meanwhile.
                    with suppress(client.exceptions.NoSuchUpload):
                        client.abort_multipart_upload(
                            Bucket=place.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        ended += 1
    return ended


def _read_once(client: Any, place: Place, limit: int | None) -> bytes:
    found = client.get_object(Bucket=place.bucket, Key=place.key)
    size = found["ContentLength"]
    wanted = size if limit is None else min(size, limit + 1)
    content = bytearray()
    with closing(found["Body"]) as body:
        while len(content) < wanted:
            if late():
                raise ReadTimeoutError(endpoint_url=place.uri)
            # The stream below botocore's: its read() waits for all that is asked for, however slowly that trickles in.
            piece = body._raw_stream.read1(min(PIECE, wanted - len(content)))
            if not piece:
                raise IncompleteReadError(actual_bytes=len(content), expected_bytes=size)
            content += piece
    return bytes(content)


def _inside(target: Path, name: str, uri: str) -> Path:
    path = (target / name).resolve()
    # A key may hold "..", and keys are written by others.
    if not path.is_relative_to(target.resolve()):
        raise StorageError(
            f"{uri} holds {name!r}, which would be written outside the target folder; remove that object"
        )
    return path


@contextmanager
def _transfers(options: S3Options) -> Iterator[Any]:
    """Yield boto3's transfer manager; while a part stands still for `timeout_s` it waits, then tries it again."""
    patient = replace(options, timeout_s=options.timeout_s * options.attempts)
    config = TransferConfig(max_concurrency=TRANSFER_THREADS, num_download_attempts=options.attempts)
    with create_transfer_manager(CLIENTS.get(patient), config) as manager:
        yield manager


def _finish(transfers: list[Future[None]]) -> None:
    for transfer in transfers:
        transfer.result()
