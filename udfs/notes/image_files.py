"""Which images of a batch of items changed: by name, size and time without opening a file, and then by its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from uninote.media.fetching import IN_ROW, MISSING, UNREACHABLE, MediaPolicy, file_digest, file_version
from uninote.notes.note import Note

# The digest of every image for a model that sees none: no file is opened for it.
UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A row of the table image_files: see its columns."""

    uri: str
    version: str
    first_version: str
    digest: str


@dataclass(frozen=True)
class Looked:
    """The files of a note's images, one for each image, in order. `is_new`: not all of them as they were recorded."""

    files: Sequence[ImageFile]
    is_new: bool

    @property
    def is_unreachable(self) -> bool:
        """Whether the store of one of them does not answer."""
        return any(UNREACHABLE in (file.version, file.digest) for file in self.files)

    @property
    def stored(self) -> list[dict[str, str]]:
        """Return what is worth recording, each file once: what the table image_files holds of the note."""
        files = {}
        for file in self.files:
            if file.version not in (IN_ROW, MISSING, UNREACHABLE) and file.digest != UNREACHABLE:
                files[file.uri] = file
        return list(map(asdict, files.values()))


@dataclass
class ImageLook:
    """Looks at the files of a batch. `opened` counts those that were read: none for a model that sees no images."""

    media: MediaPolicy
    pool: Executor
    opens: bool
    opened: int = 0
    _versions: dict[str, str] = field(default_factory=dict)
    _digests: dict[tuple[str, str], str] = field(default_factory=dict)

    def look(self, notes: Sequence[Note], recorded: Sequence[Iterable[Mapping[str, Any]]]) -> list[Looked]:
        """Return what the files of each note are now; `recorded` has what the lake knows of each note's files.

        Each file is asked for once in a batch, and opened only where nobody in it knows the bytes of its version.
        """
        known = list(map(_by_uri, recorded))
        self._digests = {}
        for files in known:
            for file in files.values():
                self._digests[file.uri, file.version] = file.digest
        uris = _uris_of(notes)
        # All versions are asked for side by side: each is a request to a store.
        self._versions = dict(zip(uris, self.pool.map(partial(file_version, policy=self.media), uris), strict=True))
        self._read(list(filter(self._must_open, uris)))
        return [self._looked(note, files) for note, files in zip(notes, known, strict=True)]

    def _must_open(self, uri: str) -> bool:
        version = self._versions[uri]
        return self.opens and version not in (IN_ROW, MISSING, UNREACHABLE) and (uri, version) not in self._digests

    def _read(self, uris: Sequence[str]) -> None:
        # A store takes its time to answer, so files are read in threads.
        for uri, digest in zip(uris, self.pool.map(partial(file_digest, policy=self.media), uris), strict=True):
            self._digests[uri, self._versions[uri]] = digest
        self.opened += len(uris)

    def _looked(self, note: Note, known: Mapping[str, ImageFile]) -> Looked:
        files = [self._file(image.uri, known.get(image.uri)) for image in note.images]
        looked = Looked(files, False)
        return Looked(files, any(one != _row(known, one["uri"]) for one in looked.stored))

    def _file(self, uri: str, before: ImageFile | None) -> ImageFile:
        version = self._versions[uri]
        if version == IN_ROW:
            return ImageFile(uri, version, version, file_digest(uri, self.media))
        digest = self._digests.get((uri, version), version)
        same = before is not None and before.digest == digest
        return ImageFile(uri, version, before.first_version if before is not None and same else version, digest)


def _row(known: Mapping[str, ImageFile], uri: str) -> dict[str, str] | None:
    return asdict(known[uri]) if uri in known else None


def _by_uri(recorded: Iterable[Mapping[str, Any]]) -> dict[str, ImageFile]:
    """Return the files that the lake knows of a note's images by their names."""
    return {row["uri"]: ImageFile(**row) for row in recorded}


def _uris_of(notes: Iterable[Note]) -> list[str]:
    """Return the names of the images of some notes, each once, in order."""
    uris: set[str] = set()
    for note in notes:
        uris.update(image.uri for image in note.images)
    return sorted(uris)
