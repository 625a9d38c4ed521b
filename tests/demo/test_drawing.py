"""The scenes: every subject can be drawn, and the pixels hold what the description says."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.demo.material.random_streams import random_stream
from uninote.demo.pictures.drawing import crop_edges, draw_scene
from uninote.demo.pictures.scenes import Scene, choose_scene, describe_scene
from uninote.demo.pictures.strokes import GLYPHS
from uninote.demo.pictures.subjects import COLOURS, SUBJECTS


def share_of(image, colour):
    """Share of the pixels that are near a colour."""
    distance = np.abs(np.asarray(image, dtype=np.int32) - np.array(colour)).max(axis=-1)
    return float((distance < 12).mean())


def test_every_subject_has_a_glyph_and_every_glyph_a_subject():
    assert set(GLYPHS) == set(SUBJECTS)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_scene_shows_its_colours(subject):
    scene = choose_scene(random_stream(1, subject), subject)
    image = draw_scene(scene, random_stream(2, subject))
    assert share_of(image, COLOURS[scene.colour].paint) > 0.005
    assert share_of(image, COLOURS[scene.background].wall) > 0.1


def test_glyphs_stay_on_their_sheet():
    for glyph in GLYPHS.values():
        for stroke in glyph:
            assert max(stroke.points) <= 120
            assert min(stroke.points) >= -20


@pytest.mark.parametrize("count", range(1, 6))
def test_the_number_of_subjects_can_be_counted_in_the_pixels(count):
    image = draw_scene(Scene("apple", "red", count, "white", "plain"), random_stream(3, count))
    leaves = np.abs(np.asarray(image, dtype=np.int32) - np.array((70, 150, 70))).max(axis=-1) < 40
    assert count_islands(leaves) == count


def count_islands(mask):
    """Number of 8-connected groups of true pixels."""
    left, islands = {tuple(at) for at in np.argwhere(mask)}, 0
    while left:
        islands, edge = islands + 1, [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
    return islands


def test_written_text_changes_pixels_and_takes_no_room_from_the_subject():
    bare = draw_scene(Scene("cup", "blue", 1, "pink", "plain"), random_stream(4))
    signed = draw_scene(Scene("cup", "blue", 1, "pink", "plain", "SALE 30%"), random_stream(4))
    assert bare.size == signed.size
    assert np.any(np.asarray(bare) != np.asarray(signed))
    assert share_of(signed, COLOURS["blue"].paint) > 0.02


def test_a_crop_cuts_little():
    image = draw_scene(Scene("cup", "blue", 1, "pink", "plain"), random_stream(5))
    cut = crop_edges(image, random_stream(6))
    assert cut.size != image.size
    assert cut.width > 0.88 * image.width
    assert cut.height > 0.88 * image.height


def test_a_subject_is_never_before_a_background_of_its_own_colour():
    scenes = [choose_scene(random_stream(7, n), "cup") for n in range(300)]
    assert all(scene.colour != scene.background for scene in scenes)


@pytest.mark.parametrize(
    ("scene", "language", "words"),
    [
        (Scene("cup", "red", 3, "blue", "plain"), "en", "three red cups on a blue background"),
        (Scene("cup", "red", 3, "blue", "plain"), "zh", "蓝色背景上的三只红色杯子"),
        (Scene("book", "white", 2, "orange", "striped"), "zh", "橙色条纹背景上的两本白色书"),
        (Scene("hat", "black", 1, "orange", "plain"), "en", "one black hat on an orange background"),
    ],
)
def test_descriptions_say_count_colour_subject_and_background(scene, language, words):
    assert words in {describe_scene(scene, language, random_stream(n)) for n in range(20)}
