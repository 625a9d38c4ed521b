"""What a map shows, as plain values: whoever collects them needs no HTML, and the page needs no Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uninote.corpus_map.changes import Change


@dataclass(frozen=True)
class TypicalNote:
    """A note near the centre of its branch. `picture` is a JPEG thumbnail, null where none of its images can be shown."""

    note_id: str
    title: str
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """All notes whose codes begin alike.

    `code` is the last code of the prefix, `label` the words that set the branch apart from its siblings, `typical` the notes
    nearest to its centre. `degraded` of its notes were embedded without a part that is in quarantine, `truncated` without text
    or images for which the model had no room. `languages` counts those of notes that say one, the most frequent first;
    `place` is where it lies in the plane, each number between 0 and 1; `change` is null where nothing can be compared.
    """

    code: int
    notes: int
    label: tuple[str, ...] = ()
    typical: tuple[TypicalNote, ...] = ()
    degraded: int = 0
    truncated: int = 0
    languages: tuple[tuple[str, int], ...] = ()
    place: tuple[float, float] | None = None
    change: Change | None = None
    children: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class CorpusMap:
    """The tree of a release's codes, two levels deep, and what it is compared with.

    `notes` have a code, `without` have none, as they have no vector. `branches` are those of the first level, a vanished one
    among them; `codebook` is its fingerprint; `shown_share` is the share of variance that the plane holds. `compared` says in
    words which release changes are counted from, or why there is none.
    """

    lake: str
    release: str
    codebook: str
    created_at: str
    notes: int
    without: int
    branches: tuple[Branch, ...]
    compared: str
    shown_share: float = 1.0

    @property
    def degraded(self) -> int:
        """Notes that were embedded without a part."""
        return sum(branch.degraded for branch in self.branches)

    @property
    def truncated(self) -> int:
        """Notes of which the model did not see all."""
        return sum(branch.truncated for branch in self.branches)

    def changed(self) -> Iterator[tuple[tuple[int, ...], Branch]]:
        """Yield the branches that are new, growing, shrinking or gone, with their prefixes: the largest effects first."""
        found: list[tuple[tuple[int, ...], Branch]] = []
        for branch in self.branches:
            found.append(((branch.code,), branch))
            found += [((branch.code, child.code), child) for child in branch.children]
        moved = [(prefix, one) for prefix, one in found if one.change is not None and one.change.state]
        yield from sorted(moved, key=lambda one: (-abs(one[1].change.effect), one[0]))  # type: ignore[union-attr]
