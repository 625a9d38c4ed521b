"""A small clustered corpus, and an index of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from segments import make_corpus, publish_base

from uninote.index.files.folder import IndexFolder
from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides
from uninote.index.template.training import train_template


def make_indexed(rerank):
    vectors = make_corpus()
    keys = np.random.default_rng(1).permutation(len(vectors)).astype(np.int64) * 7 + (1 << 40)
    plan = plan_index(len(vectors), vectors.shape[1], IndexOverrides(nlist=48, num_shards=5, rerank=rerank))
    return SimpleNamespace(keys=keys, vectors=vectors, plan=plan, template=train_template(vectors, plan, seed=3))


@pytest.fixture(scope="session")
def corpus():
    return make_indexed(rerank=True)


@pytest.fixture(scope="session")
def codes_alone():
    """The same corpus with codes of 8 bits and no vectors beside them, as earlier releases made indexes."""
    return make_indexed(rerank=False)


@pytest.fixture
def folder(tmp_path):
    return IndexFolder(str(tmp_path / "w32"))


@pytest.fixture
def published(corpus, folder, tmp_path):
    """A folder with a published index of the corpus, free to be damaged."""
    manifest = publish_base(folder, corpus.template, corpus.plan, (corpus.keys, corpus.vectors))
    return SimpleNamespace(folder=folder, path=tmp_path / "w32", manifest=manifest)
