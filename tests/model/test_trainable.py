import numpy as np
from safetensors.torch import load_file
from tokenizers import Tokenizer

from uninote.model.encoder import load_encoder
from uninote.model.identity.frames import FRAME
from uninote.model.qwen.files.checkpoint import generation, read_card
from uninote.model.qwen.trainable import Shape, make_trainable_checkpoint
from uninote.notes.note import Note

SMALL = Shape(vocabulary=420, text_layers=1, vision_layers=1, vision_width=32)
TEXTS = ["红烧肉 pork", "hiking in the Alps", "bread and soup"] * 5


def test_equal_texts_seed_and_shape_give_an_equal_checkpoint(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_trainable_checkpoint(tmp_path / name, TEXTS, seed, SMALL)
    assert generation(tmp_path / "a") == generation(tmp_path / "b") != generation(tmp_path / "c")


def test_it_is_an_encoder_with_the_widths_of_the_tiny_one(tmp_path):
    make_trainable_checkpoint(tmp_path / "a", TEXTS, shape=SMALL)
    assert read_card(tmp_path / "a").widths == (64, 128, 256)
    encoder = load_encoder(tmp_path / "a", threads=1)
    vectors = encoder.embed([encoder.prepare(Note(title=text), []) for text in TEXTS[:3]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_frame_of_the_prompt_is_a_few_tokens_and_the_layers_are_those_asked_for(tmp_path):
    make_trainable_checkpoint(tmp_path / "a", TEXTS, shape=SMALL)
    tokenizer = Tokenizer.from_file(str(tmp_path / "a" / "tokenizer.json"))
    assert len(tokenizer.encode(FRAME.opening + FRAME.closing).ids) < 24
    names = load_file(tmp_path / "a" / "model.safetensors")
    assert any("language_model.layers.0." in name for name in names)
    assert not any("layers.1." in name or "blocks.1." in name for name in names)
