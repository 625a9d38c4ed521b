"""What a reader of a release asks: which notes are taken down, and whether the release is there still."""

from __future__ import annotations

from uninote.lake.releases.pointer import Pointer, read_pointer
from uninote.lake.releases.record import ReleaseError
from uninote.lake.takedowns.watch import InLake, Watch


class ReleaseEndedError(ReleaseError):
    """The release held notes that were taken down and erased, so it is not there any more."""


def watch_release(lake: str, release_id: int) -> Watch:
    """Return the takedowns of a lake for a reader of one release: it raises ReleaseEndedError once that is gone with them."""

    return Watch(InLake(lake), lambda: check_ended(read_pointer(lake), release_id))


def check_ended(pointer: Pointer, release_id: int) -> None:
    """Raise ReleaseEndedError where a release is gone because notes of it were taken down."""
    if release_id in pointer.ended:
        ending = pointer.endings.get(str(release_id), "")
        when = f" ({ending})" if ending else ""
        raise ReleaseEndedError(
            f"release {release_id} ended because notes were taken down{when}: a version that held them cannot lose "
            f"them, and nothing of it can be read any more. Open the live one, release {pointer.live}, which is without "
            "them: uninote.open_release(lake)"
        )
