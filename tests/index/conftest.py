"""A small clustered corpus in a narrow cone, and an index of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from uninote.index.manifest import Manifest
from uninote.index.plan import IndexOverrides, plan_index
from uninote.index.shard import ShardBuilder
from uninote.index.template import train_template


def make_corpus(rows=3000, width=32, seed=0):
    """Unit vectors around 40 centres, all of them near one direction, as of an untrained encoder."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((40, width))
    points = centres[generator.integers(0, 40, rows)] + generator.standard_normal((rows, width)) / 2
    points[:, 0] += 20
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def build_index(folder, template, plan, rows):
    """Build all shards from `rows` (keys, vectors) in two batches each, and publish the manifest."""
    keys, vectors = rows
    lists = template.assign(vectors)
    shards = []
    for shard_id in range(plan.num_shards):
        builder = ShardBuilder(template, shard_id)
        mine = np.flatnonzero(template.shard_of_list[lists] == shard_id)
        for part in np.array_split(mine, 2):
            builder.add(keys[part], vectors[part], lists[part])
        shards.append(builder.finish(folder, f"shard-{shard_id:05d}"))
    manifest = Manifest(
        generation="g",
        width=plan.width,
        fingerprint=plan.fingerprint(),
        source_version=3,
        plan=plan,
        template=template.save(folder),
        shards=tuple(shards),
        created_at="2030-01-01T00:00:00Z",
    )
    manifest.publish(folder)
    return manifest


@pytest.fixture(scope="session")
def corpus():
    vectors = make_corpus()
    keys = np.random.default_rng(1).permutation(len(vectors)).astype(np.int64) * 7 + (1 << 40)
    plan = plan_index(len(vectors), vectors.shape[1], IndexOverrides(nlist=48, num_shards=5))
    return SimpleNamespace(keys=keys, vectors=vectors, plan=plan, template=train_template(vectors, plan, seed=3))


@pytest.fixture
def published(corpus, tmp_path):
    """A folder with a published index of the corpus, free to be damaged."""
    folder = tmp_path / "w32"
    manifest = build_index(folder, corpus.template, corpus.plan, (corpus.keys, corpus.vectors))
    return SimpleNamespace(folder=folder, manifest=manifest)
