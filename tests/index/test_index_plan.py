"""Plans hold at any size, and overrides are obeyed or refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uninote.errors import ConfigError
from uninote.index.planning.choose import plan_index
from uninote.index.planning.plan import IndexOverrides

ROWS = (1, 2, 38, 39, 40, 300, 3_000, 100_000, 5_000_000, 1_000_000_000)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("width", [1, 7, 64, 100, 384, 1024, 4096])
def test_every_plan_can_be_trained_and_filled(rows, width):
    plan = plan_index(rows, width, IndexOverrides(task_mib=16_384))
    assert 1 <= plan.num_shards <= plan.num_cells <= plan.nlist <= plan.train_rows <= rows
    assert width % plan.pq_m == 0
    assert plan.bytes_per_shard * plan.num_shards >= rows * (plan.code_bytes + 8)
    assert plan.bytes_per_shard < 600 << 20


def test_usual_widths_take_a_code_byte_for_four_dimensions():
    assert [plan_index(10_000, width).code_bytes for width in (64, 256, 384, 512)] == [16, 64, 96, 128]


def test_overrides_replace_what_was_planned():
    plan = plan_index(10_000, 64, IndexOverrides(nlist=50, pq_m=8, num_shards=3))
    assert (plan.nlist, plan.code_bytes, plan.num_shards, plan.num_cells) == (50, 8, 3, 12)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (IndexOverrides(nlist=101), "index.nlist is 101; it must lie within 1 and the 100 rows"),
        (IndexOverrides(pq_m=7), "index.pq_m is 7; it must divide the width 64"),
        (IndexOverrides(num_shards=0), "index.num_shards is 0"),
        (IndexOverrides(nlist=4, num_shards=5), "index.num_shards is 5, with 4 lists"),
        (IndexOverrides(nlist=0, pq_m=5), "index.nlist is 0.*index.pq_m is 5"),
    ],
)
def test_impossible_overrides_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        plan_index(100, 64, overrides)


def test_an_empty_corpus_is_refused():
    with pytest.raises(ConfigError, match="0 rows of width 64"):
        plan_index(0, 64)


def test_a_billion_rows_by_hand():
    plan = plan_index(1_000_000_000, 256)
    assert (plan.nlist, plan.groups) == (round(4 * 1e9**0.5), 356)
    assert plan.code_bytes == 64
    # 72 bytes a row in shards of at most a million rows; centroids once in all, the codebooks in each.
    assert plan.num_shards == 1000
    assert plan.bytes_per_shard == (10**9 * 72 + 126_491 * 1024) // 1000 + 16 * 256 * 4
    assert plan.train_rows == 50 * 126_491
    assert plan.train_bytes < 2 << 30 < plan.train_rows * 256 * 4  # the driver never holds the whole sample
    assert plan.task_bytes < 2 << 30


def test_shards_are_cut_until_a_task_fits():
    roomy = plan_index(20_000_000, 256)
    tight = plan_index(20_000_000, 256, IndexOverrides(task_mib=600))
    assert tight.num_shards > roomy.num_shards
    assert tight.task_bytes <= 600 << 20 < roomy.task_bytes


def test_a_plan_that_cannot_fit_says_what_would():
    with pytest.raises(ConfigError, match=r"takes [\d,]+ MiB even with .* index.task_mib allows 100: allow that much"):
        plan_index(20_000_000, 256, IndexOverrides(task_mib=100))
    with pytest.raises(ConfigError, match=r"with index.num_shards=2 .* or ask for \d+ shards"):
        plan_index(20_000_000, 256, IndexOverrides(num_shards=2))
    with pytest.raises(ConfigError, match=r"codes of 1 bytes make [\d,]+ MiB, index.serve_mib allows 100"):
        plan_index(20_000_000, 256, IndexOverrides(serve_mib=100))


def test_a_smaller_budget_and_a_smaller_recall_make_shorter_codes():
    assert plan_index(1_000_000, 256, IndexOverrides(serve_mib=110)).pq_m == 32
    asked = [None, 0.5, 0.9, 0.95, 0.99]
    sizes = [plan_index(100_000, 256, IndexOverrides(recall=recall)).code_bytes for recall in asked]
    assert sizes == [64, 32, 64, 64, 128]
    alone = [plan_index(100_000, 256, IndexOverrides(recall=recall, rerank=False)).code_bytes for recall in asked]
    assert alone == [64, 32, 64, 128, 128]


def test_codes_of_a_plan_are_twice_as_many_parts_of_half_the_bits_in_as_many_bytes():
    ranked = plan_index(100_000, 384)
    assert (ranked.pq_m, ranked.pq_nbits, ranked.rerank) == (192, 4, True)
    alone = plan_index(100_000, 384, IndexOverrides(rerank=False))
    assert (alone.pq_m, alone.pq_nbits, alone.rerank) == (96, 8, False)
    assert ranked.code_bytes == alone.code_bytes
    assert ranked.row_bytes == alone.row_bytes + 2 * 384
    # Eight bytes of width 8 cannot be cut into sixteen parts.
    fixed = plan_index(100_000, 8, IndexOverrides(pq_m=8))
    assert (fixed.pq_m, fixed.pq_nbits, fixed.rerank) == (8, 8, True)


@pytest.mark.parametrize("budget", ["serve_mib", "task_mib"])
def test_a_budget_without_room_for_vectors_leaves_codes_alone(budget):
    plain = IndexOverrides(rerank=False, num_shards=2)
    ranked, alone = plan_index(1_000_000, 256, replace(plain, rerank=True)), plan_index(1_000_000, 256, plain)
    wanted, least = ((plan.serve_bytes if budget == "serve_mib" else plan.task_bytes) for plan in (ranked, alone))
    assert least < wanted - (200 << 20)
    mib = 1 << 20
    chosen = replace(plain, rerank=True)
    assert plan_index(1_000_000, 256, replace(chosen, **{budget: wanted // mib + 1})) == ranked
    assert plan_index(1_000_000, 256, replace(chosen, **{budget: wanted // mib})) == alone


def test_what_a_process_packs_for_itself_counts_as_served():
    plan = plan_index(1_000_000, 64)
    assert plan.serve_bytes == plan.total_bytes + plan.process_bytes
    assert plan.process_bytes == (1_000_000 + 4_000 * 16) * 16 + 1_000_000 * 8
    assert plan_index(1_000_000, 64, IndexOverrides(rerank=False)).process_bytes == 0
