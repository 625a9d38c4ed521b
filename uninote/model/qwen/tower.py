"""The tower: Qwen3-VL without its language head, one L2-normalised vector for each prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Qwen3VLConfig, Qwen3VLModel

from uninote.model.identity.folders import CheckpointError
from uninote.model.qwen.files.checkpoint import SINGLE, read_config, weight_files
from uninote.model.qwen.patches import use_linear_patches
from uninote.model.qwen.pooled_layer import use_pooled_layer

PREFIX = "model."  # of the tower's weights where a language head is, or was, beside it
HEAD = "lm_head."


class UniNote(nn.Module):
    """Embeds notes, single images, texts and OCR strings with one set of weights."""

    def __init__(self, model: Qwen3VLModel) -> None:
        super().__init__()
        use_linear_patches(model)
        self.model = model
        self._is_last_pooled = False

    def pool_early(self) -> None:
        """Compute of the last layer what is pooled, where the model allows it: the same vectors but for rounding."""
        self._is_last_pooled = use_pooled_layer(self.model)

    @property
    def full_width(self) -> int:
        """The width of the vectors before any truncation."""
        return int(self.model.language_model.embed_tokens.embedding_dim)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return float32 (n, full_width), L2-normalised, for what `NoteProcessor.collate` made.

        The last attended token is pooled from `last_hidden_state`, after the final norm.
        """
        rows, last = _last_tokens(batch["attention_mask"])
        # hidden_states[-1] would be before the final norm, some 5 % of cosine away
        if self._is_last_pooled:
            pooled = self.model(**batch, use_cache=False, pooled=last).last_hidden_state[:, 0]
        else:
            pooled = self.model(**batch, use_cache=False).last_hidden_state[rows, last]
        return nn.functional.normalize(pooled.float(), dim=-1)

    def at_depths(self, batch: Mapping[str, Tensor], layers: Sequence[int]) -> Tensor:
        """Return float32 (n, (1 + depths) x full_width): the vectors of all layers, then of the first so many, side by side.

        Each as a tower of so many layers would make it.
        """
        outputs: dict[int, Tensor] = {}
        stack = self.model.language_model
        hooks = []
        for number in layers:
            # Kept as they are: operations in here would be a part of what gradient checkpointing computes again.
            keep = lambda _, __, output, number=number: outputs.update({number: output})  # noqa: E731
            hooks.append(stack.layers[number - 1].register_forward_hook(keep))
        try:
            vectors = [self(batch)]
        finally:
            for hook in hooks:
                hook.remove()
        rows, last = _last_tokens(batch["attention_mask"])
        for number in layers:
            vectors.append(nn.functional.normalize(stack.norm(outputs[number][rows, last]).float(), dim=-1))
        return torch.cat(vectors, dim=1)

    def keep_layers(self, layers: int) -> None:
        """Take out all layers of the language model but the first so many."""
        stack = self.model.language_model
        stack.layers = stack.layers[:layers]
        stack.config.num_hidden_layers = layers

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> UniNote:
        """Load a checkpoint in the published layout, with a language head or without, in one file or several.

        Weights keep their stored type and stay memory-mapped: processes of a host share them until they are moved or
        converted. Reads safetensors only and runs no code of the folder. Raises CheckpointError.
        """
        folder = Path(folder)
        model = _empty_model(folder)
        weights = _read_weights(folder)
        _check_names(folder, weights, model.state_dict())
        model.load_state_dict(weights, assign=True)
        _rebuild_buffers(model)
        model.train(False)
        return cls(model)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors in the published layout, as a model whose head is tied or absent."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = self.model.config
        config.architectures = ["Qwen3VLForConditionalGeneration" if config.tie_word_embeddings else "Qwen3VLModel"]
        config.to_json_file(folder / "config.json")
        weights = {PREFIX + name: weight.contiguous() for name, weight in self.model.state_dict().items()}
        save_file(weights, folder / SINGLE, metadata={"format": "pt"})
        # The library lets only the owner read, and executors may run as somebody else.
        (folder / SINGLE).chmod(0o644)


def _last_tokens(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return int64 (n,): each row, and the place of its last attended token."""
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1)
    return torch.arange(len(last), device=last.device), last


def _empty_model(folder: Path) -> Qwen3VLModel:
    """Return the model on the meta device: shapes and no values, so that weights are never allocated twice."""
    values = read_config(folder)
    try:
        with torch.device("meta"):
            return Qwen3VLModel(Qwen3VLConfig.from_dict(values))
    except Exception as error:
        # The configuration's own checks raise several kinds of exceptions.
        raise CheckpointError(f"{folder / 'config.json'}: not a usable configuration: {error}") from error


def _read_weights(folder: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            weights |= load_file(path)
        except Exception as error:
            # The library has an exception of its own, and raises others too.
            raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error
    named = {}
    for name, weight in weights.items():
        if not name.startswith(HEAD):
            named[name.removeprefix(PREFIX)] = weight
    return named


def _check_names(folder: Path, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    wrong = []
    for name in sorted(set(weights) & set(expected)):
        found = tuple(weights[name].shape)
        wanted = tuple(expected[name].shape)
        if found != wanted:
            wrong.append(f"{name} is {found}, config.json says {wanted}")
    problems = {
        "missing": _few(set(expected) - set(weights)),
        "unexpected": _few(set(weights) - set(expected)),
        "of another shape": _few(wrong),
    }
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {names}" for kind, names in problems.items() if names)
        raise CheckpointError(f"{folder}: the weights are not those of its config.json; {listed}")


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:5]) + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")


def _rebuild_buffers(model: Qwen3VLModel) -> None:
    """Compute the rotary tables, which no checkpoint stores and the meta device left without values."""
    model.visual.rotary_pos_emb = type(model.visual.rotary_pos_emb)(model.visual.config)
    model.language_model.rotary_emb = type(model.language_model.rotary_emb)(model.language_model.config)
