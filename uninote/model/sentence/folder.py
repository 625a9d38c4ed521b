"""A sentence-transformers folder as the driver sees it: its modules, files and identity. Loads no weights, needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

from uninote.model.identity.folders import CheckpointError, Content, listing, pickles_in, read_json
from uninote.model.identity.former import SENTENCE_TRANSFORMERS, TRANSFORMERS, sentence_versions
from uninote.model.identity.identity import FIRST, Identity
from uninote.model.identity.layouts import Layout, newest_of_others
from uninote.model.sentence.additions import AXES, READING, widths_with
from uninote.model.sentence.widths import declared_widths, module_width

MODULES = "modules.json"
LIBRARY = "sentence-transformers"
NAMESPACE = "sentence_transformers."
FIRST_TEXT = "1"  # as earlier releases named what they did
# Of files that can move a vector: the others, such as a README, may change without a new generation.
SUFFIXES = (".json", ".txt", ".safetensors", ".model", ".jinja")


@dataclass(frozen=True)
class Module:
    """One step of the model: its class name, and its folder below the model's ("" for the same one)."""

    name: str
    path: str


def read_modules(folder: Path) -> list[Module]:
    """Return the modules in order. Raises CheckpointError for a folder without, or with code of its own."""
    if not (folder / MODULES).is_file():
        raise CheckpointError(f"{folder}: not a {LIBRARY} folder: no {MODULES}; found {listing(folder)}")
    entries = read_json(folder / MODULES)
    if not isinstance(entries, list) or not entries:
        raise CheckpointError(f"{folder / MODULES}: not a list of modules")
    return list(map(partial(_module, folder), entries))


def read_widths(folder: Path) -> tuple[int, ...]:
    """Return the widths that the folder declares, ascending; the last is the full one. Raises CheckpointError."""
    return widths_with(folder, model_widths(folder))


def model_widths(folder: Path) -> tuple[int, ...]:
    """Return the same of the library's model alone, without our additions. Raises CheckpointError."""
    modules = read_modules(folder)
    for module in reversed(modules):
        if width := module_width(folder / module.path, module.name):
            return declared_widths(folder, folder / modules[0].path, width)
    names = [module.name for module in modules]
    raise CheckpointError(f"{folder}: none of its modules {names} says how wide its vectors are; it cannot be used")


def identify(folder: Path) -> Identity:
    """Return what the model is called, wherever it lies: its files and those of its modules by their place, and the layout.

    Raises CheckpointError, also where the library is missing that would load it.
    """
    _check_installed()
    content = Content(folder, files(folder))

    def first(versions: tuple[str, str]) -> object:
        return [FIRST_TEXT, f"{LIBRARY} {versions[0]}", f"transformers {versions[1]}"]

    def choices(layout: Layout) -> object:
        return first((SENTENCE_TRANSFORMERS, TRANSFORMERS)) if layout.number == FIRST else ["layout", layout.number]

    weights = content.identity(["weights", LIBRARY])
    return Identity(weights, newest_of_others(), content, choices, lambda: map(first, sentence_versions()))


def generation(folder: Path) -> str:
    """Return the identity of the vectors that the model makes in the newest layout. Raises CheckpointError."""
    return identify(folder).generation(newest_of_others())


def files(folder: Path) -> list[Path]:
    """Return the files that make the model, sorted. Raises CheckpointError when weights are there as pickles only."""
    found: set[Path] = set()
    for module in read_modules(folder):
        own = _files_of(folder, module)
        # Reading a pickle may run whatever its author wrote into it.
        is_safe = any(path.suffix == ".safetensors" for path in own)
        if not is_safe and (pickles := pickles_in(own)):
            raise CheckpointError(_pickled(folder / module.path, pickles))
        if not is_safe and module.name in ("Transformer", "StaticEmbedding"):
            raise CheckpointError(
                f"{folder / module.path}: no safetensors there; found {listing(folder / module.path)}"
            )
        found.update(own)
    found.update(filter(Path.is_file, folder.iterdir()))
    return sorted(path for path in found if path.suffix in SUFFIXES)


def has_additions(folder: Path) -> bool:
    """Say whether the folder has files of ours beside the library's."""
    return (folder / READING).is_file() or (folder / AXES).is_file()


def not_installed() -> str:
    """Say what to do when the library is missing."""
    return f'models of this kind need the {LIBRARY} library: pip install "uninote[{LIBRARY}]"'


def _module(folder: Path, entry: Any) -> Module:
    kind, path = (entry.get("type"), entry.get("path")) if isinstance(entry, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(path, str):
        raise CheckpointError(f"{folder / MODULES}: {entry!r} is not a module: it needs a type and a path")
    if not kind.startswith(NAMESPACE):
        raise CheckpointError(f"{folder / MODULES}: {kind!r} is code of the checkpoint's own, which is never run")
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise CheckpointError(f"{folder / MODULES}: path {path!r} leads out of the folder")
    return Module(kind.rpartition(".")[2], path)


def _files_of(folder: Path, module: Module) -> list[Path]:
    # beside a model at the top lie folders for other runtimes (onnx, openvino), which are nothing to us
    below = (folder / module.path).rglob("*") if module.path else folder.iterdir()
    return list(filter(Path.is_file, below))


def _pickled(folder: Path, names: list[str]) -> str:
    return (
        f"{folder}: weights are in {names}, which can run code when loaded. Where you trust them, write them once as "
        "safetensors: SentenceTransformer(<folder>).save_pretrained(<another folder>)"
    )


def _check_installed() -> None:
    try:
        version(LIBRARY)
    except PackageNotFoundError as error:
        raise CheckpointError(not_installed()) from error
