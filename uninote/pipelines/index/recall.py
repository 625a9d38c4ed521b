"""How many lists a search must look into for the recall that is asked, measured on a sample against exact search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from uninote.evaluation.estimates import AT_K, Estimate
from uninote.index.files.records import Manifest
from uninote.index.search import Index
from uninote.index.template.template import Template, load_template, template_files
from uninote.pipelines.index.target import Target
from uninote.pipelines.runtime.progress import say, step
from uninote.vectors.top_k import merge_topk

RECALL_TARGET = "recall_target"  # in the ledger's metrics
_START = 4
_WORTH_MORE = 0.002  # a doubling that brings less than this recall is not worth its time: codes are the limit


def calibrate(target: Target, manifest: Manifest, template: Template) -> tuple[Manifest, dict[str, float]]:
    """Return the manifest with as many searched lists as are needed, measured, and the recall, for the ledger.

    That number is the least power of two that surely reaches `index.recall_target`, or does all it can; it does not fall
    below what was measured for the same base, so that an update searches as many lists as before, or more. The recall is that
    of the lists that are searched: `index.nprobe`, where it is given.
    """
    asked = target.run.config.index.nprobe
    fewest = manifest.nprobe if target.wanted.is_calibrated(manifest) else _START
    lists = 1
    recall = Estimate(1.0, 1.0, 1.0)
    wanted = target.calibration.target_of(manifest.plan)
    if manifest.live > 1:
        with step(f"index w{target.width}: recall of searches, on a sample"):
            recall_of = _measure(target, manifest, template)
            lists, recall = enough_lists(recall_of, fewest, template.nlist, wanted)
            if asked is not None:
                recall = recall_of(asked)
        if asked is None and recall.recall < wanted:
            _say_too_low(manifest, recall, wanted, target.calibration.k)
    calibrated = replace(
        manifest,
        nprobe=lists,
        nprobe_asked=asked,
        calibration=target.calibration.digest,
        template_files=template_files(target.folder, manifest.template),
        stale="",
    )
    return calibrated, {**recall.metrics(AT_K), RECALL_TARGET: wanted}


def recall_of_searches(target: Target, manifest: Manifest) -> Estimate:
    """Return recall@K of searches in a published index that look into as many lists as it says."""
    if manifest.live <= 1:
        return Estimate(1.0, 1.0, 1.0)
    return _measure(target, manifest, load_template(target.folder, manifest.template))(manifest.lists_searched)


def _measure(target: Target, manifest: Manifest, template: Template) -> Callable[[int], Estimate]:
    """Return a function from a number of searched lists to recall@K on a sample."""
    calibration = target.calibration
    vectors = target.vectors
    sample = vectors.sample(calibration.sample, calibration.seed)
    exact = vectors.exact(sample.keys, sample.vectors, calibration.k)
    index = Index(target.folder, manifest, template)

    def recall_of(lists: int) -> Estimate:
        # One more than K, since each item finds itself.
        found, scores = index.search(sample.vectors, calibration.k + 1, lists)
        others = np.where(found == sample.keys[:, None], -1, found)
        best = merge_topk(others, scores, calibration.k)[0]
        return vectors.recall(sample.keys, best, exact, k=calibration.k, rows=sample.rows)

    return recall_of


def enough_lists(recall_of: Callable[[int], Estimate], fewest: int, nlist: int, target: float) -> tuple[int, Estimate]:
    """Return the least doubling of `fewest` lists whose recall reaches the target, or that more lists do not improve.

    The lower end of the interval has to reach it. By the recall itself, an index would miss its target as often as the sample
    flatters it: of 70,000 pictures x 64, 8 lists passed so for .95, and found .951 for other rows; it takes 16 now (.969).
    """
    lists = min(fewest, nlist)
    recall = recall_of(lists)
    while _surely(recall) < target and lists < nlist:
        wider = min(2 * lists, nlist)
        wider_recall = recall_of(wider)
        if wider_recall.recall < recall.recall + _WORTH_MORE:
            break
        lists = wider
        recall = wider_recall
    return lists, recall


def _surely(recall: Estimate) -> float:
    return recall.recall if recall.low is None else recall.low


def _say_too_low(manifest: Manifest, recall: Estimate, wanted: float, k: int) -> None:
    remedy = "raise index.pq_m"
    if not manifest.plan.rerank:
        remedy = "raise index.serve_mib, or build it with vectors to rank again by (--set index.retrain=now)"
    say(
        f"index w{manifest.width}: recall@{k} is {recall} and index.recall_target {wanted}: the codes of "
        f"{manifest.plan.code_bytes} bytes are the limit; {remedy}"
    )
