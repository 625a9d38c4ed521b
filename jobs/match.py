"""Compare notes with a gallery of samples: new and edited ones of either side, exactly.

--calibrate fits thresholds to match.volumes instead; --what-if CATEGORY=THRESHOLD says how many notes a night that would find.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from uninote.pipelines.job import run_job
from uninote.pipelines.match_work import choose_work


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    work, others = choose_work(sys.argv[1:] if arguments is None else arguments)
    return run_job("match", work, __file__, others)


if __name__ == "__main__":
    sys.exit(main())
