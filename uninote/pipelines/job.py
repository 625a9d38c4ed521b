"""What every job script does: arguments, configuration, session, one stage, a summary, and an exit code."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uninote.config import Config
from uninote.config_file import load_config
from uninote.errors import ConfigError, UninoteError
from uninote.pipelines.failures import explained
from uninote.pipelines.progress import say
from uninote.pipelines.run import Run
from uninote.pipelines.session import open_session

Plan = Callable[[Config, int | None, int | None], dict[str, Any]]  # of a configuration, rows and width

DONE, FAILED, BAD_CONFIG = 0, 1, 2
SET_HELP = "override one value; texts and places are taken as they are, other values are YAML; the last of a key counts"


def run_job(
    name: str,
    work: Callable[[Run], dict[str, Any]],
    script: str,
    arguments: Sequence[str] | None = None,
    plan: Plan | None = None,
) -> int:
    """Do `work` as the job `name` and print its summary, one JSON object, as the last line on stdout.

    `script` is the job's file: the default configuration is found relative to it. Returns 0 when done, 2 when the
    configuration is wrong, 1 on any other failure. With `plan` the job also takes `--dry-run`, which prints what that
    returns and starts nothing.
    """
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=sys.modules["__main__"].__doc__)
    default = Path(script).resolve().parent.parent / "conf" / "local.yaml"
    parser.add_argument("--config", type=Path, default=default, help=f"configuration file (default: {default})")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=SET_HELP)
    if plan is not None:
        parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")
        parser.add_argument("--rows", type=int, metavar="N", help="plan for so many rows instead of those in the lake")
        parser.add_argument("--width", type=int, metavar="W", help="plan for this width")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config, options.set)
        if plan is not None and options.dry_run:
            summary = plan(config, options.rows, options.width)
        else:
            run = Run(open_session(name, config.spark), config, tuple(options.set))
            summary = work(run)
    except ConfigError as error:
        say(f"error: {error}")
        return BAD_CONFIG
    except UninoteError as error:
        say(f"error in {name}: {error}")
        return FAILED
    except Exception as error:
        told = explained(error)
        if told is None:
            traceback.print_exc()
            told = f"unexpected {type(error).__name__}"
        say(f"error in {name}: {told}. What was committed before it stays, and the same command can be run again")
        return FAILED
    sys.stdout.write(json.dumps(summary) + "\n")  # ASCII: any scheduler's log takes it, and no terminal obeys it
    return DONE
