import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from uninote.model.compute.batches import Batches
from uninote.model.encoder import Description, describe, load_encoder
from uninote.model.qwen.files.checkpoint import CheckpointError, generation
from uninote.notes.note import Note, NoteImage


def picture(width: int, height: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def mixed_notes() -> list[tuple[Note, list[Image.Image]]]:
    """Texts from one word to far too long, with none to four images of several shapes."""
    notes = []
    for i in range(12):
        images = [picture(32 * (1 + (i + j) % 4), 64, i + j) for j in range(i % 5)]
        names = tuple(NoteImage(f"{j}.png", f"seen {j}" if j % 2 else "") for j in range(len(images)))
        notes.append((Note(f"note {i}", "pork and bread in Kyoto " * (i * 7 % 40), ("food",) * (i % 3), names), images))
    return notes


def test_the_encoder_says_its_widths(encoder):
    assert (encoder.full_width, encoder.widths, encoder.sees_images) == (256, (64, 128, 256), True)


def test_a_description_says_what_the_loaded_encoder_does(encoder, tiny_folder):
    description = describe("uninote", tiny_folder)
    assert description.generation == generation(tiny_folder)
    assert description == Description(description.identity, encoder.full_width, encoder.widths, True)


def test_kinds_that_nobody_knows_are_refused_with_those_that_are(tiny_folder):
    for work in (describe, lambda kind, folder: load_encoder(folder, kind)):
        with pytest.raises(CheckpointError, match="'clip' is not known; the kinds are uninote, sentence-transformers"):
            work("clip", tiny_folder)


def test_what_a_note_holds_while_it_waits_is_mostly_its_pixels(encoder):
    note = Note("title", images=(NoteImage("a"),))
    assert encoder.prepare(Note("title"), []).nbytes == 4 * encoder.prepare(Note("title"), []).num_tokens
    assert encoder.prepare(note, [picture(64, 96, 0)]).nbytes > 64 * 96 * 3


def test_notes_may_be_prepared_in_many_threads_while_the_model_computes(encoder):
    notes = mixed_notes() * 4
    expected = encoder.embed([encoder.prepare(*note) for note in notes])
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(encoder.prepare, *note) for note in notes]
        vectors = np.concatenate([encoder.embed([one.result()]) for one in waiting])
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_rows_that_are_not_finite_come_through_alone(tiny_folder):
    broken = load_encoder(tiny_folder, device="cpu")
    bread, soup = (broken.prepare(Note(title), []) for title in ("bread", "soup"))
    weight = broken._tower.model.language_model.embed_tokens.weight
    weight.data = weight.data.clone()
    weight.data[np.setdiff1d(bread.input_ids, soup.input_ids)[0]] = float("nan")
    assert np.isfinite(broken.embed([bread, soup])).all(axis=1).tolist() == [False, True]


def test_vectors_are_float32_rows_of_norm_one_in_order(encoder):
    prepared = [encoder.prepare(note, images) for note, images in mixed_notes()]
    vectors = encoder.embed(prepared)
    assert (vectors.shape, vectors.dtype) == ((12, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(encoder.embed(prepared[::-1])[::-1], vectors, atol=1e-5)


@pytest.mark.parametrize("batch_rows", [1, 2, 5])
def test_a_vector_does_not_depend_on_its_batch(encoder, batch_rows):
    prepared = [encoder.prepare(note, images) for note, images in mixed_notes()]
    together = encoder.embed(prepared)
    parts = [encoder.embed(prepared[i : i + batch_rows]) for i in range(0, len(prepared), batch_rows)]
    cosines = (together * np.concatenate(parts)).sum(axis=1)
    assert cosines.min() > 1 - 1e-5
    assert (together @ together.T - np.eye(12)).max() < 1 - 1e-4  # the notes themselves are further apart


def test_the_same_note_gives_the_same_vector_bit_for_bit(encoder):
    note, images = mixed_notes()[3]
    first, second = (encoder.embed([encoder.prepare(note, images)]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_every_part_of_a_note_reaches_its_vector(encoder):
    image, other = picture(64, 64, 0), picture(64, 64, 1)
    note = Note("title", "body", ("topic",), (NoteImage("a", "ocr"),))
    variants = [
        (note, [image]), (note, [other]), (Note("bread", "body", ("topic",), note.images), [image]),
        (Note("title", "bread", ("topic",), note.images), [image]),
        (Note("title", "body", ("bread",), note.images), [image]),
        (Note("title", "body", ("topic",), (NoteImage("a", "bread"),)), [image]),
        (Note("title", "body", ("topic",), (NoteImage("another place", "ocr"),)), [image]),
    ]  # fmt: skip
    vectors = encoder.embed([encoder.prepare(*variant) for variant in variants])
    cosines = vectors[1:] @ vectors[0]
    assert (cosines[:5] < 1 - 1e-4).all()
    assert cosines[5] > 1 - 1e-6  # where a file lies says nothing about what it shows


def test_no_notes_give_no_vectors(encoder):
    assert encoder.embed([]).shape == (0, 256)


def test_a_batch_too_large_for_the_device_is_halved(encoder, monkeypatch):
    prepared = [encoder.prepare(note, images) for note, images in mixed_notes()]
    expected = encoder.embed(prepared)
    monkeypatch.setattr(encoder, "_batches", Batches(torch.device("cpu")))
    before, refused = encoder.batch_tokens, []

    def short_of_memory(tower, arguments):
        if len(arguments[0]["input_ids"]) > 3:
            refused.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = encoder._tower.register_forward_pre_hook(short_of_memory)
    try:
        np.testing.assert_allclose(encoder.embed(prepared), expected, atol=1e-5)
    finally:
        hook.remove()
    assert refused
    assert encoder.batch_tokens < before


def test_the_number_of_threads_is_set_when_asked_for(tiny_folder):
    before = torch.get_num_threads()
    load_encoder(tiny_folder, threads=1)
    assert torch.get_num_threads() == 1
    load_encoder(tiny_folder)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("config.json", {"image_token_id": 3}, "image token, patch and merge size"),
        ("preprocessor_config.json", {"patch_size": 14}, r"\(\d+, 16, 2\) in config.json, \(\d+, 14, 2\) elsewhere"),
    ],
)
def test_files_of_different_checkpoints_are_not_mixed(tiny_folder, tmp_path, name, changes, message):
    folder = shutil.copytree(tiny_folder, tmp_path / "mixed")
    (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | changes))
    with pytest.raises(CheckpointError, match=message):
        load_encoder(folder)
