"""Give notes codes: a short list of integers for each note, whose beginnings notes share that are alike.

--new-codebook fits another codebook beside those that there are; --rebuild compares the codes of all notes.
--export FOLDER writes the ids of the live release with texts, as Parquet, for training language models on ids.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.codes_work import choose_work
from uninote.pipelines.job import run_job


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    work, others = choose_work(sys.argv[1:] if arguments is None else arguments)
    return run_job("codes", work, __file__, others)


if __name__ == "__main__":
    sys.exit(main())
