"""Find the notes nearest to each query of a table or folder: notes, images, texts, or several of them together."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.index.search import search
from uninote.pipelines.job import run_job


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("search", search, __file__, arguments)


if __name__ == "__main__":
    sys.exit(main())
