"""Groups of duplicates have a bounded radius, and chains are whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uninote.neighbours import duplicate_groups
from uninote.neighbours.components import Links, connected
from uninote.neighbours.duplicate_groups import chains_of, nearest_representatives

SCORE = 0.995
STEP = np.arccos(SCORE)


def on_a_circle(angles):
    """Unit vectors at some angles."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_definition(vectors):
    """The groups as the text has them, one note after the other."""
    scores = vectors @ vectors.T
    chosen = []
    for note in range(len(vectors)):
        if not chosen or scores[note, chosen].max() < np.float32(SCORE):
            chosen.append(note)
    return np.array(chosen)[scores[:, chosen].argmax(axis=1)]


def test_a_chain_of_small_steps_becomes_many_groups():
    vectors = on_a_circle(np.arange(3000) * 0.6 * STEP % 6)
    groups, scores = nearest_representatives(vectors, SCORE)
    assert len(set(groups.tolist())) > 30
    assert (vectors * vectors[groups]).sum(axis=1).min() >= SCORE - 1e-6
    np.testing.assert_allclose(scores, (vectors * vectors[groups]).sum(axis=1), atol=1e-6)
    line, _ = nearest_representatives(on_a_circle(np.arange(10) * 0.6 * STEP), SCORE)
    assert sorted(set(line.tolist())) == [0, 2, 4, 6, 8]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0, 3))
def test_groups_are_what_their_definition_says(seed, rows, spread):
    random = np.random.default_rng(seed)
    vectors = unit(np.eye(4)[random.integers(0, 3, rows)] + spread * STEP / 2 * random.standard_normal((rows, 4)))
    groups, scores = nearest_representatives(vectors, SCORE)
    np.testing.assert_array_equal(groups, by_definition(vectors))
    assert (scores[groups] == 1).all()
    assert (scores >= np.float32(SCORE)).all()


def test_blocks_do_not_change_groups(monkeypatch):
    random = np.random.default_rng(0)
    vectors = unit(np.eye(4)[random.integers(0, 3, 200)] + STEP * random.standard_normal((200, 4)))
    whole, _ = nearest_representatives(vectors, SCORE)
    monkeypatch.setattr(duplicate_groups, "_BLOCK_ROWS", 7)
    np.testing.assert_array_equal(nearest_representatives(vectors, SCORE)[0], whole)


def test_a_chain_is_settled_where_all_are_paired_with_its_first_note():
    first, second = np.array([2, 3, 4, 5]), np.array([0, 1, 3, 3])
    chains = chains_of(first, second, np.array([0.999, 0.996, 0.997, 0.998], np.float32))
    assert chains.least.tolist() == [0, 1, 0, 1, 1, 1]
    assert chains.settled.tolist() == [True, False, True, False, False, False]
    np.testing.assert_allclose(chains.scores[chains.settled], [1, 0.999])
    both_ways = chains_of(np.array([0, 1]), np.array([1, 0]), np.array([0.9961, 0.9962], np.float32))
    np.testing.assert_allclose(both_ways.scores, [1, 0.9962])


def labels_by_search(rows, first, second):
    """The least row that each row is linked with, found one by one."""
    near = {row: set() for row in range(rows)}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        near[one].add(other)
        near[other].add(one)
    labels = {}
    for row in range(rows):
        waiting = [row]
        while waiting:
            here = waiting.pop()
            if here not in labels:
                labels[here] = row
                waiting += near[here]
    return [labels[row] for row in range(rows)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80), st.integers(0, 100), st.integers(1, 5))
def test_links_that_arrive_in_parts_are_the_components(seed, rows, count, parts):
    random = np.random.default_rng(seed)
    first = random.integers(0, rows, count)
    second = random.integers(0, rows, count)
    links = Links()
    for one, other in zip(np.array_split(first, parts), np.array_split(second, parts), strict=True):
        links.add(one, other)
    wanted = labels_by_search(rows, first, second)
    found = links.least().tolist()
    assert found == wanted[: len(found)]
    assert wanted[len(found) :] == list(range(len(found), rows))
    keys, least = connected(first * 10, second * 10)
    assert dict(zip(keys.tolist(), least.tolist(), strict=True)) == {
        row * 10: wanted[row] * 10 for row in {*first.tolist(), *second.tolist()}
    }


@pytest.mark.parametrize("order", ["up", "down", "mixed"])
def test_a_long_chain_is_linked_in_few_rounds(order):
    first = np.arange(200_000)
    if order != "up":
        first = first[::-1].copy() if order == "down" else np.random.default_rng(0).permutation(first)
    links = Links()
    for part in np.array_split(first, 7):
        links.add(part, part + 1)
    assert not links.least().any()
