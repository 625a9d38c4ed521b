"""Which releases an online store holds, and what may be done next: one small record, which every change compares first."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from uninote.serving.layout import StoreError


@dataclass(frozen=True)
class State:
    """What a store holds; null where there is none.

    `live` is the pointer: what readers see. `other` is the other release that is whole, to which a flip may go. Lists of
    `pushing` are being put, or were when a push died; those of `dropping` removed. No reader sees these two. `lake` is the
    id of the lake of all of them.
    """

    lake: str | None = None
    live: int | None = None
    other: int | None = None
    pushing: int | None = None
    dropping: int | None = None

    @classmethod
    def parse(cls, raw: bytes | None) -> State:
        """Return the state that a store keeps as `raw`. Raises StoreError."""
        if raw is None:
            return cls()
        try:
            return cls(**json.loads(raw))
        except (ValueError, TypeError) as error:
            raise StoreError(f"the online store's record is none of ours: {raw[:100]!r}; name another place") from error

    def encode(self) -> bytes:
        """Return the bytes that `parse` reads."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @property
    def whole(self) -> tuple[int, ...]:
        """The releases that a reader may be at, the live one first."""
        return tuple(one for one in (self.live, self.other) if one is not None)

    def begun(self, release: int, lake: str) -> State:
        """Return the state in which lists of `release` may be put. Raises StoreError.

        `other` goes: a list that is put takes the place of the one that readers of `other` took. Those of the live release
        may be put again, where a server lost some.
        """
        if self.lake not in (None, lake):
            raise StoreError(f"the online store holds lists of the lake {self.lake}, not of {lake}; name another place")
        if release == self.other:
            raise StoreError(f"release {release} is whole in the online store; flip to it, or drop it first")
        self._check_idle(release)
        if self.dropping is not None:
            raise StoreError(f"release {release} was dropped by half from the online store; drop it again first")
        # Its lists would be seen by readers of `release` wherever that does not bring one of its own.
        if self.other is not None and (self.live is None or self.other > self.live):
            raise StoreError(f"release {self.other}, newer than the live one, is in the online store; drop it first")
        return replace(self, lake=lake, other=None, pushing=release)

    def check_push(self, release: int) -> None:
        """Raise StoreError unless lists of `release` may be put now."""
        if self.pushing != release:
            raise StoreError(
                f"lists of release {release} cannot be put: the online store takes those of {self.pushing or 'none'} now; "
                "let another publish end, and run this one again"
            )

    def sealed(self, release: int) -> State:
        """Return the state once all lists of `release` are there."""
        self.check_push(release)
        return replace(self, other=None if release == self.live else release, pushing=None)

    def flipped(self, release: int) -> State:
        """Return the state in which readers see `release`. Raises StoreError where it is not whole."""
        if release == self.live:
            return self
        if release != self.other:
            held = " and ".join(map(str, self.whole)) or "none"
            raise StoreError(
                f"release {release} is not whole in the online store, which holds {held}; publish it first"
            )
        return replace(self, live=release, other=self.live)

    def without(self, release: int) -> State:
        """Return the state while lists of `release` are cleaned up. Raises StoreError for the live one, if that is whole."""
        if release == self.live and release not in (self.pushing, self.dropping):
            raise StoreError(f"release {release} is live in the online store; flip to another one before it is dropped")
        self._check_idle(release)
        return replace(self, other=None if release == self.other else self.other, pushing=None, dropping=release)

    def _check_idle(self, release: int) -> None:
        for one in (self.pushing, self.dropping):
            if one not in (None, release):
                raise StoreError(f"release {one} is in the online store by half; drop it first")
