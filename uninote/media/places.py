"""Where the file may be that a URI names: below the roots that are allowed, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uninote.media.copies import Copies
from uninote.storage.local import local_path
from uninote.storage.types import S3Options, is_remote

MEDIA_ROOT = "uninote.mediaRoot"  # property of the table of notes: the folder that its relative names start from


@dataclass(frozen=True)
class MediaPolicy:
    """Which files may be opened, how large they may be, and how S3 is reached.

    Roots are local folders or `s3://bucket/prefix`; nothing outside all of them is ever opened. Relative URIs resolve
    against each of `relative_to` in turn, which are among the roots; null: against each root. `copies` hold what one reader
    has read for the next one; null: each reads for itself.
    """

    roots: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    s3: S3Options = field(default_factory=S3Options)
    relative_to: tuple[str, ...] | None = None
    copies: Copies | None = None


@dataclass(frozen=True)
class Places:
    """Real paths, and S3 URIs. `is_inside`: a root may hold the URI, though no file can have its name."""

    found: tuple[str, ...]
    is_inside: bool


def places_of(uri: str, policy: MediaPolicy) -> Places:
    """Return where below the roots the file may be; `uri` is remote or a path."""
    is_relative = not is_remote(uri) and not Path(uri).is_absolute()
    roots = policy.relative_to if is_relative and policy.relative_to is not None else policy.roots
    found = []
    is_inside = False
    for root in roots:
        try:
            place = _below_s3(root, uri) if is_remote(root) else _below_folder(root, uri, policy.roots)
        except (OSError, ValueError, RuntimeError):
            # The name has a NUL or a lone surrogate, is too long, or leads into a loop of links.
            is_inside = True
            continue
        if place is not None:
            found.append(place)
    return Places(tuple(found), is_inside or bool(found))


def _below_folder(root: str, path: str, roots: Sequence[str]) -> str | None:
    """Return the real path with every symlink and '..' resolved, or None when it is not below an allowed folder.

    A name that stays below `root` may be a link to a file below any of `roots`, as data sets under version control have
    them; one with '..' must not lead out of `root`.
    """
    if is_remote(path):
        return None
    named_root = local_path(root)
    real_root = named_root.resolve()
    real = (named_root / path).resolve()
    if real.is_relative_to(real_root):
        return str(real)
    named = Path(os.path.normpath(named_root / path))
    if not named.is_relative_to(os.path.normpath(named_root)) and not named.is_relative_to(real_root):
        return None
    is_target = any(map(real.is_relative_to, _link_targets(real_root, roots)))
    return str(real) if is_target else None


def _link_targets(real_root: Path, roots: Sequence[str]) -> Iterator[Path]:
    """Yield the real folders that links below a root may lead to."""
    for root in roots:
        if not is_remote(root):
            yield local_path(root).resolve()
    # A model hub's cache: <repository>/snapshots/<revision>/… are links to <repository>/blobs/….
    for folder in (real_root, *real_root.parents):
        blobs = folder.parent / "blobs"
        if folder.name == "snapshots" and blobs.is_dir() and not blobs.is_symlink():
            yield blobs


def _below_s3(root: str, path: str) -> str | None:
    """Return the URI of the object, or None when it is not below the root, component by component.

    An object store has no '..', but programs on the way to it do, so that a key with one is never asked for.
    """
    bucket, prefix = _bucket_and_key(root)
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    if is_remote(path):
        own_bucket, key = _bucket_and_key(path)
    else:
        own_bucket = bucket
        key = folder + path
    segments = key.split("/")
    if own_bucket != bucket or Path(path).is_absolute() or ".." in segments:
        return None
    key = "/".join(segment for segment in segments if segment != ".")
    return f"s3://{bucket}/{key}" if key.startswith(folder) else None


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key
