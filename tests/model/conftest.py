"""One small checkpoint of each kind for all tests of the model, their vocabularies from a few notes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import make_tiny_checkpoint
from tokenizers import BertWordPieceTokenizer
from tokenizers.processors import BertProcessing

from uninote.model.encoder import load_encoder

TEXTS = [
    "Braised pork belly with soy sauce", "红烧肉的做法：五花肉切块，冷水下锅", "A week of hiking in the Dolomites",
    "Sourdough bread for beginners", "Ein Tag am Meer, 25 °C!", "How I repot my monstera", "京都三日游攻略 #旅行",
    "Hiking boots that last", "Bread and soy sauce", "Pork ramen from scratch", "Budget travel in Kyoto",
] * 3  # fmt: skip


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    make_tiny_checkpoint(folder, TEXTS, seed=1)
    return folder


@pytest.fixture(scope="session")
def lines_folder(tmp_path_factory) -> Path:
    """One in whose vocabulary a mark and the line break after it are one token, as in published ones."""
    folder = tmp_path_factory.mktemp("checkpoints") / "lines"
    lines = [f"Bread{mark}{end}soy sauce" for mark in (".", "!", "?!", "...", "。", ")") for end in ("\n", "\n\n")]
    make_tiny_checkpoint(folder, [*TEXTS, *lines * 3], seed=1)
    return folder


@pytest.fixture(scope="session")
def encoder(tiny_folder):
    return load_encoder(tiny_folder, threads=1)


@pytest.fixture(scope="session")
def sentence_folder(tmp_path_factory) -> Path:
    """A sentence-transformers folder: two layers of BERT, mean pooling, a dense layer from 32 to 48, normalisation."""
    return make_sentences(tmp_path_factory, 48)


@pytest.fixture(scope="session")
def wide_folder(tmp_path_factory) -> Path:
    """The same, 96 wide."""
    return make_sentences(tmp_path_factory, 96)


def make_sentences(tmp_path_factory, width: int) -> Path:
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    base = pytest.importorskip("sentence_transformers.base.modules")
    library = pytest.importorskip("sentence_transformers")
    scratch = tmp_path_factory.mktemp("bert")
    write_bert(scratch)
    torch.manual_seed(0)
    parts = [base.Transformer(str(scratch)), modules.Pooling(32), base.Dense(32, width), base.Normalize()]
    parts[0].max_seq_length = 24
    folder = tmp_path_factory.mktemp("checkpoints") / "sentences"
    library.SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def write_bert(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(TEXTS, vocab_size=300, min_frequency=1, show_progress=False)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer._tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "model_max_length": 64}
    names = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_input_names": names}))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64, **sizes))
    with torch.no_grad():
        for weight in model.parameters():  # far from the initial values, so that every weight counts
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)


@pytest.fixture(scope="session")
def sentence_encoder(sentence_folder):
    return load_encoder(sentence_folder, "sentence-transformers", threads=1, device="cpu")
