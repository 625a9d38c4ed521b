"""How many lists a search must look into for the recall that is asked, measured on a sample against exact search."""

from __future__ import annotations

import numpy as np

from uninote.index.search import Index
from uninote.neighbours.merge import merge_topk
from uninote.pipelines.lake.run import Run
from uninote.pipelines.lake.stored_vectors import StoredVectors
from uninote.pipelines.runtime.progress import say

_START = 4
_WORTH_MORE = 0.002  # a doubling that brings less than this recall is not worth its time: codes are the limit


def calibrate(run: Run, vectors: StoredVectors, rows: int, index: Index, nprobe: int | None) -> tuple[int, float]:
    """Return (lists, recall@K): the least power of two that reaches `index.recall_target`, or does all it can.

    The recall is that of the lists that are searched: `nprobe`, where it is given.
    """
    settings, target = run.config.neighbours, run.config.index.recall_target
    survey = vectors.survey(settings.recall_sample, settings.seed)
    keys, queries = survey.keys, survey.vectors
    nlist = index.template.nlist
    if rows <= 1:
        return 1, 1.0
    exact = vectors.exact(keys, queries, settings.k)

    def measured(lists: int) -> float:
        found, scores = index.search(queries, settings.k + 1, lists)
        others, _ = merge_topk(np.where(found == keys[:, None], -1, found), scores, settings.k)
        return vectors.recall(keys, others, exact)

    lists = min(_START, nlist)
    recall = measured(lists)
    while recall < target and lists < nlist:
        wider = measured(min(2 * lists, nlist))
        if wider < recall + _WORTH_MORE:
            break
        lists, recall = min(2 * lists, nlist), wider
    if nprobe is not None:
        return lists, measured(nprobe)
    if recall < target:
        say(
            f"index w{index.manifest.width}: recall@{settings.k} is {recall:.3f} and index.recall_target {target}: the "
            f"codes of {index.manifest.plan.pq_m} bytes are the limit; raise index.pq_m or index.serve_mib, or re-rank"
        )
    return lists, recall
