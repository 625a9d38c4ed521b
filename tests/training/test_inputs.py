import random

import numpy as np
from PIL import Image

from uninote.model.qwen.processing.processor import NoteProcessor
from uninote.notes.note import Note, NoteImage
from uninote.training.dataset.strategies import NOTE
from uninote.training.loop.inputs import Inputs, images_alone, varied_image, varied_topics


def test_chunks_hold_every_item_once_within_the_tokens(training_set, start):
    inputs = Inputs(training_set, NoteProcessor.from_pretrained(start), augment=False)
    chunks = inputs.chunks(np.arange(12), 96, (0, 0))
    assert sorted(chunks.order.tolist()) == list(range(12))
    assert all(len(part) * max(one.num_tokens for one in part) <= 96 or len(part) == 1 for part in chunks.parts)
    assert len(chunks.parts) > 1


def test_varied_items_repeat_for_a_step_and_change_with_it(training_set, start):
    inputs = Inputs(training_set, NoteProcessor.from_pretrained(start), augment=True)
    pixels = [inputs.chunks(np.array([0]), 96, (0, step)).parts[0][0].images[0].patches for step in (1, 1, 2)]
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])


def test_a_varied_image_moves_a_little_and_is_white_beyond():
    image = Image.new("RGB", (40, 40), "red")
    sizes = {varied_image(image, random.Random(seed)).size[0] for seed in range(20)}
    assert min(sizes) >= 32
    assert 40 < max(sizes) <= 46
    corners = {varied_image(image, random.Random(seed)).getpixel((0, 0)) for seed in range(20)}
    assert corners == {(255, 0, 0), (255, 255, 255)}


def test_topics_are_left_out_and_reordered_never_invented():
    note = Note("title", topics=tuple("abcdef"))
    found = [varied_topics(note, random.Random(seed)).topics for seed in range(20)]
    assert all(set(topics) <= set(note.topics) and len(set(topics)) == len(topics) for topics in found)
    assert len(set(found)) > 5


def test_of_a_share_of_a_steps_notes_the_images_alone_are_shown(training_set, start):
    processor = NoteProcessor.from_pretrained(start)
    notes = [item for item in range(len(training_set)) if training_set.kinds[item] == NOTE]
    shown = [item for item in notes if training_set.note(item).images]
    whole = tokens_of(Inputs(training_set, processor, augment=False), np.arange(len(training_set)), 0)
    for augment in (False, True):
        inputs = Inputs(training_set, processor, augment, hide_texts=0.5)
        hidden = set()
        for step in range(8):
            found = tokens_of(inputs, np.arange(len(training_set)), step)
            hidden |= {item for item in shown if found[item] == images_in(training_set, processor, item)}
            assert found == tokens_of(inputs, np.arange(len(training_set)), step)
            if not augment:
                # What is no note, or has no image, is shown as it is.
                assert all(found[item] == whole[item] for item in set(found) - set(shown))
        assert hidden == set(shown)


def test_images_alone_lose_what_was_read_in_them_but_not_what_stands_for_another():
    note = Note("title", "body", ("topic",), (NoteImage("a", "read"),), "described")
    assert images_alone(note) == Note(images=(NoteImage("a", ""),), described="described")
    assert images_alone(Note("title")) == Note("title")
    asked = Note("title", images=(NoteImage("a", "read"), NoteImage("b", "asked")), asked=1)
    assert images_alone(asked) == Note(images=(NoteImage("a"), NoteImage("b", "asked")), asked=1)


def tokens_of(inputs, items, step):
    """Return the number of tokens of each item in a step."""
    chunks = inputs.chunks(items, 96, (0, step))
    prepared = [one for part in chunks.parts for one in part]
    return {items[place]: one.num_tokens for place, one in zip(chunks.order.tolist(), prepared, strict=True)}


def images_in(training_set, processor, item):
    """Return the number of tokens of an item's images alone."""
    note = images_alone(training_set.note(item))
    return processor.prepare(note, training_set.images(note)).num_tokens
