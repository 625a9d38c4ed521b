"""`python -m uninote.search`: look into an index from a terminal, without Spark.

    python -m uninote.search INDEX --model CHECKPOINT --text "..." --image photo.jpg -k 10 --only category=food
    python -m uninote.search INDEX --verify

Prints one JSON object a note, best first; all that is given together is one query.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uninote.config.sections.base import DEMO, E5
from uninote.config.sections.sources import MediaConfig
from uninote.demo.workspace import demo_checkpoint
from uninote.errors import UninoteError
from uninote.index.note_keys import Constraint, ConstraintError
from uninote.index.search import Index
from uninote.media.fetching import MediaPolicy, load_image
from uninote.model.e5.folder import e5_folder
from uninote.model.encoder import AUTO, KINDS, SENTENCES, Arithmetic, describe, kind_of, load_in_layout
from uninote.model.sentence.turned_copy import turned_copy
from uninote.notes.note import Note, NoteImage
from uninote.redaction import has_credentials
from uninote.storage.types import S3Options
from uninote.terminal import write
from uninote.vectors.widths import truncate

NAMED = {E5: e5_folder, DEMO: demo_checkpoint}  # checkpoints that have a name


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one query, or verify an index. Returns 0, or 1 with a message on stderr."""
    options = _parser().parse_args(arguments)
    try:
        if has_credentials(options.endpoint or ""):
            raise UninoteError(
                "--endpoint holds credentials in its URL; give them in the environment, a profile or a role"
            )
        index = Index.open(options.index, S3Options(options.endpoint))
        lines = [index.verify()] if options.verify else _found(index, options)
    except UninoteError as error:
        write(sys.stderr, f"error: {error}\n")
        return 1
    for line in lines:
        # In ASCII: ids come from data, and may hold what a terminal obeys.
        sys.stdout.write(json.dumps(line) + "\n")
    return 0


def _found(index: Index, options: argparse.Namespace) -> list[dict[str, object]]:
    if options.model is None:
        raise UninoteError(
            f"--model is needed to embed the query: the folder of the checkpoint that made the index, or {' or '.join(NAMED)}"
        )
    named = NAMED.get(str(options.model))
    options.model = _with_axes(options.index, options.model if named is None else named(), options.kind)
    found = describe(options.kind, options.model)
    layouts = found.identity.find([index.manifest.generation])
    if not layouts:
        raise UninoteError(
            f"the index was made by the encoder {index.manifest.generation}, {options.model} is {found.generation}; their "
            "vectors do not compare: name the index's own checkpoint"
        )
    constraint = Constraint.of(_sets(options.only), _sets(options.never))
    vector = truncate(_embedded(options, max(layouts)), index.manifest.width)
    notes, scores = index.search_notes(vector, options.k, options.nprobe, constraint)
    lines: list[dict[str, object]] = []
    for note, score in zip(notes[0], scores[0], strict=True):
        if note is not None:
            lines.append({"note_id": note, "score": round(float(score), 6)})
    return lines


def _with_axes(index: str, folder: Path, kind: str) -> Path:
    """Return the model with the axes that the index's lake keeps for it, or the model as it is where there are none."""
    if (kind_of(folder) if kind == AUTO else kind) != SENTENCES:
        return folder
    # An index lies in <lake>/<generation>/index unless index.folder says otherwise.
    lakes = Path(index).resolve().parents
    axes = lakes[2] / "axes" / f"{describe(kind, folder).identity.weights}.safetensors" if len(lakes) > 2 else None
    return turned_copy(folder, axes) if axes is not None and axes.is_file() else folder


def _embedded(options: argparse.Namespace, layout: int) -> np.ndarray:
    if not (options.title or options.text or options.image):
        raise UninoteError("the query is empty; give --text, --title or --image")
    kind = kind_of(options.model) if options.kind == AUTO else options.kind
    encoder = load_in_layout(options.model, kind, layout, Arithmetic())
    folders = set()
    images = []
    for path in map(Path.resolve, options.image):
        folders.add(str(path.parent))
        images.append(NoteImage(str(path), ""))
    limits = MediaConfig()
    policy = MediaPolicy(tuple(folders), limits.max_bytes, limits.max_pixels)
    pictures = [load_image(image.uri, policy) for image in images]
    note = Note(options.title, options.text, (), tuple(images))
    return np.asarray(encoder.embed([encoder.prepare(note, pictures)]))


def _sets(given: Sequence[str]) -> dict[str, list[str]]:
    """Return attribute -> values of `attribute=value,value`."""
    sets = {}
    for one in given:
        name, sign, values = one.partition("=")
        if not sign:
            raise ConstraintError(f"{name!r} should look like attribute=value,value")
        sets[name] = values.split(",")
    return sets


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m uninote.search", description="Search an index without Spark.")
    parser.add_argument("index", help="folder of an index, or s3://…")
    parser.add_argument("--model", type=Path, help="folder of the checkpoint that made the index, or e5, or demo")
    parser.add_argument("--kind", choices=(AUTO, *KINDS), default=AUTO, help="kind of that checkpoint")
    parser.add_argument("--title", default="")
    parser.add_argument("--text", default="")
    parser.add_argument("--image", type=Path, action="append", default=[], help="may be given several times")
    parser.add_argument("-k", type=int, default=10, help="how many notes")
    parser.add_argument(
        "--nprobe", type=int, help="lists to look into; the default is what the index was calibrated to"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="ATTRIBUTE=VALUE,…", help="notes must have one of"
    )
    parser.add_argument(
        "--never", action="append", default=[], metavar="ATTRIBUTE=VALUE,…", help="notes must have none of"
    )
    parser.add_argument("--endpoint", help="S3 service, if not the environment's")
    parser.add_argument(
        "--verify", action="store_true", help="read every file of the index and compare checksums and counts"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
