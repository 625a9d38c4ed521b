"""Where the tables of a generation lie for those who only read them: as the live release has them."""

from __future__ import annotations

from uninote.lake.delta_files import has_log
from uninote.lake.paths import GenerationLake
from uninote.lake.releases.pointer import live_release


def place_for_readers(generation: GenerationLake, name: str) -> tuple[str, int | None] | None:
    """Return the URI and version, null for the newest, of the table `name` that readers see; null where they see none.

    It is the live release's; where that is of another generation, or there is none, the newest.
    """
    uri = generation.uri(name)
    live = live_release(generation.lake.root)
    if live is not None and live.generation == generation.generation:
        version = live.tables.get(f"{live.generation}/{name}")
        return None if version is None else (uri, version)
    return (uri, None) if has_log(uri) else None
