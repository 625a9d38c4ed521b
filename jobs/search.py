"""Find the notes nearest to each query of a table or folder: notes, images, texts, or several of them together.

--make-bank makes, of the queries of search.bank, the bank that search.hubness corrects scores by.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.job import run_job
from uninote.pipelines.search_work import choose_work


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    work, others = choose_work(sys.argv[1:] if arguments is None else arguments)
    return run_job("search", work, __file__, others)


if __name__ == "__main__":
    sys.exit(main())
