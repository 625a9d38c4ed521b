"""A folder as Qwen3-VL-Embedding-2B is published, and a plain transformers forward pass as the reference."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.media.fetching import MediaPolicy, load_image
from uninote.model.encoder import load_encoder
from uninote.model.qwen.files.checkpoint import generation, read_card
from uninote.model.qwen.tower import UniNote
from uninote.notes.note import Note, NoteImage
from uninote.vectors.widths import truncate

WIDTH = 96
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def published_config(tokenizer: Tokenizer, tied: bool) -> dict:
    """The published config.json of transformers 4.57, with small sizes."""
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "image_token_id": tokenizer.token_to_id("<|image_pad|>"),
        "model_type": "qwen3_vl",
        "text_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": tokenizer.token_to_id("<|endoftext|>"),
            "dtype": "bfloat16",
            "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
            "head_dim": 32,
            "hidden_act": "silu",
            "hidden_size": WIDTH,
            "initializer_range": 0.02,
            "intermediate_size": 96,
            "max_position_embeddings": 262144,
            "model_type": "qwen3_vl_text",
            "num_attention_heads": 4,
            "num_hidden_layers": 4,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default"},
            "rope_theta": 5000000,
            "tie_word_embeddings": tied,
            "use_cache": True,
            "vocab_size": tokenizer.get_vocab_size() + 13,  # published vocabularies are padded
        },
        "tie_word_embeddings": tied,
        "transformers_version": "4.57.1",
        "video_token_id": tokenizer.token_to_id("<|video_pad|>"),
        "vision_config": {
            "deepstack_visual_indexes": [0, 1, 2],
            "depth": 4,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 48,
            "in_channels": 3,
            "initializer_range": 0.02,
            "intermediate_size": 64,
            "model_type": "qwen3_vl",
            "num_heads": 3,
            "num_position_embeddings": 2304,
            "out_hidden_size": WIDTH,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": tokenizer.token_to_id("<|vision_end|>"),
        "vision_start_token_id": tokenizer.token_to_id("<|vision_start|>"),
    }


def write_shards(folder, weights: dict[str, torch.Tensor], count: int) -> None:
    names = sorted(weights)
    weight_map = {}
    for shard in range(count):
        file = f"model-{shard + 1:05d}-of-{count:05d}.safetensors"
        part = {name: weights[name].contiguous() for name in names[shard::count]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_side_files(folder, tiny_folder) -> None:
    definition = json.loads((tiny_folder / "tokenizer.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(definition["model"]["vocab"]))
    (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in definition["model"]["merges"]))
    shutil.copy(tiny_folder / "tokenizer.json", folder)
    settings = json.loads((tiny_folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": CHAT_TEMPLATE}))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    images = {
        "size": {"longest_edge": 16777216, "shortest_edge": 65536},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessorFast",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "video_preprocessor_config.json").write_text(json.dumps(images))
    (folder / "generation_config.json").write_text("{}")
    (folder / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "Transformer"}]')
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {}}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    (folder / "README.md").write_text("# Qwen3-VL-Embedding-2B")


@pytest.fixture(scope="module", params=["tied", "untied"])
def published(request, tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"Qwen3-VL-Embedding-2B-{request.param}")
    tokenizer = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
    values = published_config(tokenizer, tied=request.param == "tied")
    (folder / "config.json").write_text(json.dumps(values))
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(Qwen3VLConfig.from_dict(values))
    with torch.no_grad():
        for weight in model.parameters():  # far from the initial values, so that every weight counts
            weight.add_(torch.randn_like(weight) * 0.2)
    weights = {name: weight.to(torch.bfloat16) for name, weight in model.state_dict().items()}
    if request.param == "tied":
        del weights["lm_head.weight"]
    write_shards(folder, weights, 4)
    write_side_files(folder, tiny_folder)
    return folder


@pytest.fixture(scope="module")
def plain(published):
    """Embed content parts with transformers alone, one input at a time."""
    model = Qwen3VLForConditionalGeneration.from_pretrained(published, dtype=torch.float32).eval().model
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(published / "tokenizer.json"))
    processor = Qwen2VLImageProcessorPil.from_pretrained(published)

    @torch.inference_mode()
    def embed(content: list[dict], width: int = WIDTH) -> np.ndarray:
        instruction = [{"type": "text", "text": "Represent the user's input."}]
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": content}]
        text = tokenizer.apply_chat_template(
            messages, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=True
        )
        inputs = {}
        if images := [part["image"] for part in content if part["type"] == "image"]:
            size = {"shortest_edge": 4 * 32 * 32, "longest_edge": 1800 * 32 * 32}
            inputs = dict(processor(images, size=size, return_tensors="pt"))
            for grid in inputs["image_grid_thw"]:
                text = text.replace("<|image_pad|>", "<|placeholder|>" * (int(grid.prod()) // 4), 1)
            text = text.replace("<|placeholder|>", "<|image_pad|>")
        ids = tokenizer(text, return_tensors="pt").input_ids
        inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).long()
        hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).last_hidden_state
        return torch.nn.functional.normalize(hidden[0, -1, :width], dim=0).numpy()

    return embed


def picture(width: int, height: int, seed: int) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height))


def test_vectors_are_those_of_a_plain_forward_pass(published, plain, tmp_path):
    first, second = picture(150, 101, 0), picture(64, 333, 1)
    first.save(tmp_path / "first.png")
    loaded = load_image("first.png", MediaPolicy((str(tmp_path),), 10**6, 10**6))
    one, two = NoteImage("first.png", "sale today"), NoteImage("second.png")
    encoder = load_encoder(published, threads=1)
    vectors = encoder.embed(
        [
            encoder.prepare(Note(title="Pork belly with soy sauce"), []),
            encoder.prepare(Note(images=(NoteImage("first.png"),)), [loaded]),
            encoder.prepare(Note("Kyoto", "红烧肉的做法", ("food", "travel"), (one, two)), [loaded, second]),
        ]
    )
    expected = [
        plain([{"type": "text", "text": "Pork belly with soy sauce"}]),
        plain([{"type": "image", "image": first}]),
        plain(
            [
                {"type": "image", "image": first},
                {"type": "text", "text": "sale today\n"},
                {"type": "image", "image": second},
                {"type": "text", "text": "Kyoto\n红烧肉的做法\n#food #travel"},
            ]
        ),
    ]
    np.testing.assert_allclose(vectors, expected, atol=2e-5)
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.99


def test_narrower_widths_are_the_head_of_the_vector_as_published(published, plain):
    """The reference cuts before it normalises; stored vectors are cut after. Both are the same."""
    encoder = load_encoder(published, threads=1, device="cpu")
    assert read_card(published).widths == encoder.widths == (64, WIDTH)
    narrow = truncate(encoder.embed([encoder.prepare(Note(title="Pork belly"), [])]), 64)
    expected = plain([{"type": "text", "text": "Pork belly"}], width=64)
    np.testing.assert_allclose(narrow[0], expected, atol=2e-5)
    assert abs(np.linalg.norm(expected) - 1) < 1e-5


def test_in_bfloat16_vectors_stay_near_and_images_work(published):
    note, image = Note("Kyoto", images=(NoteImage("a"),)), picture(90, 90, 2)
    precise, coarse = (
        encoder.embed([encoder.prepare(note, [image])])
        for encoder in (load_encoder(published, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    )
    assert coarse.dtype == np.float32
    assert 1e-7 < 1 - (precise * coarse).sum() < 1e-2


def test_side_files_and_a_language_head_do_not_stop_a_tower_from_being_saved(published, tmp_path):
    tower = UniNote.from_pretrained(published)
    tower.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copy(published / name, tmp_path)
    note = Note("Kyoto", images=(NoteImage("a"),))
    vectors = [
        encoder.embed([encoder.prepare(note, [picture(90, 90, 2)])])
        for encoder in (load_encoder(published), load_encoder(tmp_path))
    ]
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_the_layout_without_the_language_models_prefix_loads_as_well(published, tmp_path):
    weights = {}
    for path in published.glob("*.safetensors"):
        weights |= {name.removeprefix("model."): weight for name, weight in load_file(path).items()}
    weights.pop("lm_head.weight", None)
    save_file(weights, tmp_path / "model.safetensors")
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        shutil.copy(published / name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"architectures": ["Qwen3VLForEmbedding"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoders = [load_encoder(published), load_encoder(tmp_path)]
    vectors = [encoder.embed([encoder.prepare(Note("bread"), [])]) for encoder in encoders]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert generation(tmp_path) != generation(published)
