"""Search over the segments and shards of a published index: route, search the shards that hold a probed list, merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

from uninote.errors import UninoteError
from uninote.index.files.folder import IndexFolder
from uninote.index.files.manifest import read_manifest
from uninote.index.files.records import Manifest, ShardFile
from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.held import note_ids_of, scores_with
from uninote.index.merging import depth, distinct, merge, rank_again, ranked
from uninote.index.note_keys import Constraint
from uninote.index.open_shard import OpenShard
from uninote.index.shard_vectors import have_unit_length
from uninote.index.taken_down import watch_around
from uninote.index.template.fit import check_fit
from uninote.index.template.template import Template, load_template
from uninote.index.voided import read_voided
from uninote.lake.takedowns.watch import Watch
from uninote.storage.types import S3Options
from uninote.vectors.kmeans import check_vectors

_WIDER = 4  # how many times more lists a query looks into that has not found K
ANY = Constraint()


class SearchError(UninoteError):
    """The search was asked for something impossible."""


class Index:
    """A published index as it was when it was opened; its shards are mapped when first needed.

    For use by several threads. A refresh that publishes does not disturb it: files stay until the index was published
    twice. To see what is new, open again.
    """

    def __init__(
        self, folder: IndexFolder, manifest: Manifest, template: Template, takedowns: Watch | None = None
    ) -> None:
        self.manifest = manifest
        self._takedowns = takedowns
        self.template = template
        self._folder = folder
        self._places: list[tuple[int, ShardFile]] = []  # (number of its segment, shard)
        for segment_number, segment in enumerate(manifest.segments):
            for shard in segment.shards:
                self._places.append((segment_number, shard))
        self._open: dict[int, OpenShard] = {}
        self._voided: list[np.ndarray] | None = None
        self._lock = Lock()
        self._cells = _cells_of(manifest.shards, template)

    @classmethod
    def open(
        cls,
        uri: str | Path | IndexFolder,
        options: S3Options | None = None,
        cache: str | None = None,
        lake_id: str | None = None,
        manifest: str | None = None,
        takedowns: Watch | None = None,
    ) -> Index:
        """Open the index at `uri`: reads the manifest and the template, and checks the size of every file.

        `manifest` is the name of the manifest that a release pins; null: the newest, which may be that of no release yet.
        `uri` is a folder, or `s3://…`, whose files are fetched to a folder below `cache` when first needed. A file's
        checksum is checked when a query first touches it. Raises IndexDamagedError, or ManifestError when there is no
        manifest to read; IndexRefusedError where nobody keeps the index fresh, or it is not that of the lake `lake_id`.

        Notes that are taken down are not found: `takedowns` is the lake's list; null: that of the lake that the folder lies in
        as jobs lay it there. Of an index that lies elsewhere nobody but the caller knows the lake.
        """
        folder = uri if isinstance(uri, IndexFolder) else IndexFolder(str(uri), options or S3Options(), cache)
        takedowns = takedowns or watch_around(folder)
        found = read_manifest(folder, manifest)
        found.check_use(lake_id)
        while True:
            try:
                return cls._open_as(folder, found, takedowns)
            except IndexDamagedError:
                # The index is damaged, or it was published twice since its manifest was read: then it is opened again.
                newer = read_manifest(folder, manifest)
                if newer == found:
                    raise
                found = newer

    @classmethod
    def _open_as(cls, folder: IndexFolder, manifest: Manifest, takedowns: Watch | None) -> Index:
        template = load_template(folder, manifest.template)
        check_fit(manifest, template)
        sizes = folder.sizes()
        for file in manifest.files:
            folder.check_size(file, sizes)
        return cls(folder, manifest, template, takedowns)

    def search(
        self,
        vectors: np.ndarray,
        k: int,
        nprobe: int | None = None,
        constraint: Constraint = ANY,
        rerank: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (item_keys int64 (n, k), scores float32 (n, k)), best first, equal scores by key.

        `vectors` are float32 (n, width) of unit length. The `nprobe` nearest lists of each are searched, null: as many as
        the manifest says; a query that finds fewer than `k` looks into more, until it has them or has seen every list.
        Slots are free, -1 and -inf, only where the index holds fewer than `k` that the constraint allows; notes that are taken
        down count as none. Where vectors lie
        beside the codes, scores are theirs, and the best of `depth(k)` candidates; without `rerank`, those of the codes.
        """
        check_vectors(vectors, self.template.width)
        constraint = self._without_taken_down(constraint)
        nprobe = self.manifest.lists_searched if nprobe is None else nprobe
        if k < 1 or nprobe < 1:
            raise SearchError(f"k is {k} and nprobe {nprobe}; both must be at least 1")
        rotated = self.template.rotate(vectors)
        again = rerank and self.manifest.plan.rerank
        keys, scores = self._search(rotated, k, nprobe, constraint, again)
        # Only the queries that lack entries are asked again, in more lists.
        while nprobe < self.template.nlist and (short := np.flatnonzero(keys[:, -1] < 0)).size:
            nprobe *= _WIDER
            keys[short], scores[short] = self._search(rotated[short], k, nprobe, constraint, again)
        return keys, scores

    def search_notes(
        self, vectors: np.ndarray, k: int, nprobe: int | None = None, constraint: Constraint = ANY
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (note_ids object (n, k), scores float32 (n, k)): as `search`, each note once, by its best item.

        Free slots hold None and -inf.
        """
        asked = k
        while True:
            keys, scores = self.search(vectors, asked, nprobe, constraint)
            notes = self.note_ids(keys)
            found = []
            any_short = False
            for row in range(len(keys)):
                found.append(distinct(notes[row], scores[row], k))
                # Where the last slot is free, the index has no more items that could fill the list.
                any_short |= len(found[-1]) < k and bool(keys[row, -1] >= 0)
            if not any_short:
                break
            # Items of the same notes took the slots of others, so more are asked for.
            asked *= 2
        ids = np.full((len(keys), k), None, dtype=object)
        best = np.full((len(keys), k), -np.inf, np.float32)
        for row, one in enumerate(found):
            for slot, (note, score) in enumerate(one):
                ids[row, slot] = note
                best[row, slot] = score
        return ids, best

    def note_ids(self, item_keys: np.ndarray) -> np.ndarray:
        """Return the notes of keys that a search of this index returned, an object array of their shape; None for -1."""
        return note_ids_of(self._open, item_keys)

    def scores(self, vectors: np.ndarray, item_keys: np.ndarray) -> np.ndarray:
        """Return float32 (n, m): the scores of vectors, float32 (n, width), with items that a search of this index returned.

        `item_keys` int64 (m,) are ascending. Raises SearchError where the index has codes alone.
        """
        check_vectors(vectors, self.template.width)
        if not self.manifest.plan.rerank:
            raise SearchError(
                "the index has codes alone, and no vectors to score by; set index.rerank and build it again"
            )
        return scores_with(self._open, item_keys, self.template.rotate(vectors))

    def verify(self) -> dict[str, int]:
        """Read every file, and compare checksums, keys and counts. Raises IndexDamagedError at the first fault."""
        live = []
        for number in range(len(self._places)):
            shard = self._shard(number)
            inside = np.sort(shard.ids)
            if not np.array_equal(inside, shard.notes.keys):
                name = self._places[number][1].index.name
                raise IndexDamagedError(f"{self._folder}/{name} and its file of keys differ; build the index again")
            if self.manifest.plan.rerank and not have_unit_length(shard.vectors):
                raise IndexDamagedError(f"{self._folder} holds vectors not of unit length; build the index again")
            live.append(shard.notes.keys[shard.live])
        keys = np.concatenate(live) if live else np.empty(0, np.int64)
        if len(np.unique(keys)) != len(keys) or len(keys) != self.manifest.live:
            raise IndexDamagedError(
                f"{self._folder}: {len(keys)} live rows, {len(np.unique(keys))} different keys, and the manifest says "
                f"{self.manifest.live}; build the index again"
            )
        return {"files": len(self.manifest.files), "segments": len(self.manifest.segments), "live": len(keys)}

    def _without_taken_down(self, constraint: Constraint) -> Constraint:
        """Return the constraint that leaves out notes that are taken down as well."""
        if self._takedowns is None:
            return constraint
        names = self._takedowns.now().names
        # Sorted, since what a constraint allows is found once for each that is asked with.
        return replace(constraint, without=tuple(sorted(names.union(constraint.without)))) if names else constraint

    def _search(
        self, rotated: np.ndarray, k: int, nprobe: int, constraint: Constraint, rerank: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        probed = self.template.centroids.nearest(rotated, nprobe)
        cells = np.unique(self.template.list_cell[probed])
        wanted = depth(k) if rerank else k
        shards = {}
        found = {}
        # Shards without a row in a probed cell are neither opened nor searched.
        for number in np.flatnonzero(self._cells[:, cells].any(axis=1)).tolist():
            shards[number] = self._shard(number)
            found[number] = shards[number].search(rotated, probed, wanted, constraint)
        candidates = merge(found, len(rotated), wanted)
        if rerank:
            candidates = rank_again(candidates, shards, rotated)
        return ranked(candidates, k)

    def _shard(self, number: int) -> OpenShard:
        shard = self._open.get(number)
        if shard is not None:
            return shard
        # Looked up again under the lock: another thread may have opened it meanwhile.
        with self._lock:
            if number not in self._open:
                segment, file = self._places[number]
                voided = self._voided_after(segment)
                self._open[number] = OpenShard(self._folder, file, self.template.nlist, voided)
            return self._open[number]

    def _voided_after(self, segment: int) -> np.ndarray:
        """Return the sorted keys that segments after this one void."""
        if self._voided is None:
            self._voided = [read_voided(self._folder, one) for one in self.manifest.segments]
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._voided[segment + 1 :]]))


def _cells_of(shards: Sequence[ShardFile], template: Template) -> np.ndarray:
    """Return a mask (shards, cells): which cells a shard holds rows of."""
    held = np.zeros((len(shards), template.num_cells), dtype=bool)
    for number, shard in enumerate(shards):
        held[number, list(shard.cells)] = True
    return held
