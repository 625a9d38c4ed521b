"""Whether a manifest and its template belong together: each cell in one shard, and as many rows as there should be."""

from __future__ import annotations

from uninote.index.files.records import Manifest, rows_in
from uninote.index.files.stored_file import IndexDamagedError
from uninote.index.template.template import Template


def check_fit(manifest: Manifest, template: Template) -> None:
    """Raise IndexDamagedError where cells, vectors or rows of the shards are not those that template and manifest say."""
    # A cell in two shards would give its rows twice, one in none would lose them.
    cells: list[int] = []
    for shard in manifest.base.shards:
        cells += shard.cells
    if len(set(cells)) != len(cells) or manifest.width != template.width or max(cells, default=0) >= template.num_cells:
        raise IndexDamagedError(
            f"the manifest's base has {len(cells)} cells of width {manifest.width}, the template {template.num_cells} of "
            f"width {template.width}; each cell must be in one shard: build the index again"
        )
    if manifest.plan.rerank and any(shard.vectors is None for shard in manifest.shards):
        raise IndexDamagedError(
            "the manifest's plan has vectors beside the codes, and a shard has none: build the index again"
        )
    for segment in manifest.segments:
        found = rows_in(segment.shards)
        if found != segment.rows:
            raise IndexDamagedError(
                f"segment {segment.segment_id} has {segment.rows} rows, its shards {found}; a shard is missing: build the "
                "index again"
            )
