"""What people do with releases: roll back, pin, and let go. None of it waits for a run, or takes the lease."""

from __future__ import annotations

from dataclasses import replace

from uninote.lake.releases.pointer import Pointer, change_pointer, now
from uninote.lake.releases.record import ReleaseError, read_release


def roll_back(lake: str, release_id: int | None = None) -> Pointer:
    """Let readers see an earlier release, null: the one before the live one, and return the new state.

    The live one is marked as rejected, and so is every release past the chosen one. The next refresh brings the tables back to
    the chosen one before it does anything else; so does a rollback to the live release itself, after a gate failed. Releases
    whose file is gone or damaged are not kept any more, but for pinned ones. Raises ReleaseError where the chosen one is not
    kept, or its file is gone or damaged.
    """

    def change(before: Pointer) -> Pointer:
        if before.live is None:
            raise ReleaseError(f"{lake} has no release to roll back from")
        wanted = _before(lake, before) if release_id is None else release_id
        _check_kept(lake, before, wanted)
        read_release(lake, wanted)
        past = {number for number in before.kept if number > wanted}
        rejected = tuple(sorted({*before.rejected, *past} - {wanted}))
        replaced = {number: when for number, when in before.replaced.items() if int(number) != wanted}
        if before.live != wanted:
            replaced[str(before.live)] = now()
        words = f"rolled back from release {before.live} to {wanted}"
        after = replace(before, live=wanted, rejected=rejected, replaced=replaced, work_from=wanted, change=words)
        return _without(after, {number for number in before.kept if not _is_readable(lake, number)})

    return change_pointer(lake, change)


def _is_readable(lake: str, release_id: int) -> bool:
    try:
        read_release(lake, release_id)
    except ReleaseError:
        return False
    return True


def _without(state: Pointer, unreadable: set[int]) -> Pointer:
    """Return the state in which these are not kept, but for pinned ones: retention would stop at each of them."""
    gone = {number for number in unreadable if str(number) not in state.pinned}
    if not gone:
        return state
    kept = tuple(number for number in state.kept if number not in gone)
    replaced = {number: when for number, when in state.replaced.items() if int(number) not in gone}
    words = f"{state.change}; not kept any more, as their files cannot be read: {', '.join(map(str, sorted(gone)))}"
    return replace(state, kept=kept, replaced=replaced, change=words)


def pin(lake: str, release_id: int, why: str) -> Pointer:
    """Keep a release until it is unpinned, and return the new state. Raises ReleaseError where it is not kept any more."""

    def change(before: Pointer) -> Pointer:
        _check_kept(lake, before, release_id)
        return replace(
            before, pinned={**before.pinned, str(release_id): why}, change=f"release {release_id} pinned: {why}"
        )

    return change_pointer(lake, change)


def unpin(lake: str, release_id: int) -> Pointer:
    """Keep a release no longer than others, and return the new state. Raises ReleaseError where it was not pinned."""

    def change(before: Pointer) -> Pointer:
        if str(release_id) not in before.pinned:
            pinned = ", ".join(before.pinned) or "none"
            raise ReleaseError(f"release {release_id} of {lake} is not pinned; pinned are: {pinned}")
        left = {number: why for number, why in before.pinned.items() if number != str(release_id)}
        return replace(before, pinned=left, change=f"release {release_id} unpinned")

    return change_pointer(lake, change)


def _before(lake: str, state: Pointer) -> int:
    """Return the release that was live before the present one, as far as it is kept and was not rejected."""
    live = state.live or 0
    earlier = [number for number in state.kept if number < live and number not in state.rejected]
    if not earlier:
        kept = ", ".join(map(str, state.kept)) or "none"
        raise ReleaseError(
            f"{lake} keeps no release before {live} that was not rejected; kept are: {kept}, and --to names any of them"
        )
    return earlier[-1]


def _check_kept(lake: str, state: Pointer, release_id: int) -> None:
    if release_id not in state.kept:
        kept = ", ".join(map(str, state.kept)) or "none"
        raise ReleaseError(f"release {release_id} of {lake} is not kept; kept are: {kept}")
