"""What every job script does: arguments, configuration, session, one stage, a summary, and an exit code."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uninote.config.loading import load_config
from uninote.config.sections.observe import ObserveConfig
from uninote.config.settings import Config
from uninote.config.store_settings import store_settings
from uninote.errors import ConfigError, UninoteError
from uninote.failures.explaining import TRACE, explained
from uninote.observe.observers import Observers
from uninote.observe.records import RunStart, now
from uninote.pipelines.lake.encoders import s3_of
from uninote.pipelines.lake.run import Run, new_run_id
from uninote.pipelines.observing import observed_run, tell_of_killed
from uninote.pipelines.release.errors import GateError
from uninote.pipelines.runtime.progress import say
from uninote.pipelines.runtime.progress_file import progress_file
from uninote.pipelines.runtime.session import open_session
from uninote.pipelines.runtime.signals import Stopped, stopped_by_signals
from uninote.storage.environment import export
from uninote.storage.types import is_object_store
from uninote.upkeep.writing import writing

Work = Callable[[Run], dict[str, Any]]
Plan = Callable[[Config, int | None, int | None], dict[str, Any]]  # of a configuration, rows and width


@dataclass(frozen=True)
class Preview:
    """What `--dry-run` does instead of a job's work where it takes Spark to know: it returns a summary and writes nothing."""

    work: Work


DONE = 0
FAILED = 1
BAD_CONFIG = 2
NOT_RELEASED = 3  # the stages did their work, and a gate failed
SIGNALLED = 128  # and the signal's number, as shells say it
SET_HELP = "override one value; texts and places are taken as they are, other values are YAML; the last of a key counts"
GO_ON = "What was committed before it stays, and the same command can be run again"
WRITING = (
    "ingest",
    "embed",
    "index",
    "codes",
    "neighbours",
    "match",
    "release",
    "refresh",
)  # one at a time: see `uninote.lake.lease`
INGESTING = ("ingest", "refresh")  # jobs that delete the notes which their source lacks


def run_job(
    name: str, work: Work, script: str, arguments: Sequence[str] | None = None, plan: Plan | Preview | None = None
) -> int:
    """Do `work` as the job `name` and print its summary, one JSON object, as the last line on stdout.

    `script` is the job's file: the default configuration is found relative to it. Returns 0 when done, 2 when the
    configuration is wrong, 3 when a release did not pass its gates, 130 or 143 when it was stopped by SIGINT or SIGTERM, 1
    on any other failure, which is told in one sentence. With `plan` the job also takes `--dry-run`, which prints what that
    returns and starts nothing; with a Preview it prints what that finds.
    """
    options = _parser(name, script, plan).parse_args(arguments)
    if not _traced():
        # The bridge to the JVM logs traces of its own when a call is interrupted or the JVM is gone.
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        with stopped_by_signals():
            summary = _summary(name, work, options, plan)
    except ConfigError as error:
        return _failed(f"error: {error}", BAD_CONFIG)
    except GateError as error:
        return _failed(f"error in {name}: {error}", NOT_RELEASED)
    except UninoteError as error:
        return _failed(f"error in {name}: {error}", FAILED)
    except (Stopped, KeyboardInterrupt) as error:
        number = error.number if isinstance(error, Stopped) else 2
        return _failed(f"error in {name}: stopped by a signal ({number}). {GO_ON}", SIGNALLED + number)
    except Exception as error:
        return _failed(f"error in {name}: {explained(error)}. {GO_ON}", FAILED)
    # In ASCII: any scheduler's log takes it, and it holds nothing that a terminal obeys.
    sys.stdout.write(json.dumps(summary) + "\n")
    return DONE


def _summary(name: str, work: Work, options: argparse.Namespace, plan: Plan | Preview | None) -> dict[str, Any]:
    config = load_config(options.config, options.set)
    previews = plan is not None and options.dry_run
    if isinstance(plan, Preview):
        work = plan.work if previews else work
    elif plan is not None and previews:
        return plan(config, options.rows, options.width)
    # A preview does nothing that anybody is told of.
    told = ObserveConfig() if previews else config.observe
    with observed_run(told, RunStart(new_run_id(), name, config.lake, now())) as observers:
        return _work(config, options, work, observers, writes=name in WRITING and not previews)


def _work(
    config: Config, options: argparse.Namespace, work: Work, observers: Observers, writes: bool
) -> dict[str, Any]:
    export(s3_of(config))
    if not is_object_store(config.lake):
        _check_lake(Path(config.lake))
    name, run_id = observers.run.job, observers.run.run_id
    # Before a session is made: a second run is told so at once.
    with writing(config.lake, name, run_id, config.index.folder, s3_of(config)) if writes else nullcontext():
        if writes:
            tell_of_killed(observers, config.lake, WRITING)
        spark = open_session(name, store_settings(_places(config), s3_of(config)) | config.spark)
        allow_deletes = name in INGESTING and options.allow_deletes
        run = Run(spark, config, tuple(options.set), allow_deletes, not writes, run_id, observers=observers)
        with progress_file(config.lake, name, run_id):
            return work(run)


def _places(config: Config) -> list[str]:
    """Return where Spark reads and writes tables."""
    vectors = config.embed.vectors_from
    places = [config.lake, config.ingest.source, config.search.queries, config.search.output, config.search.bank]
    places += [
        vectors.table if vectors else None,
        config.match.gallery,
        *(one.table for one in config.embeddings.values()),
    ]
    return [place for place in places if place]


def _failed(message: str, code: int) -> int:
    """Tell a failure, with its trace where the environment asks for one."""
    if _traced():
        say(traceback.format_exc())
    say(message)
    return code


def _traced() -> bool:
    return os.environ.get(TRACE, "0") not in ("", "0")


def _check_lake(lake: Path) -> None:
    """Refuse a lake that cannot be one before anything starts: afterwards the same is a page of Java."""
    standing = next(place for place in (lake, *lake.parents) if os.path.lexists(place))
    if not standing.is_dir():
        raise UninoteError(f"lake: {lake} is no folder: {standing} is a file or a broken link; name another place")
    if not os.access(standing, os.R_OK | os.W_OK | os.X_OK):
        raise UninoteError(
            f"lake: {standing} cannot be written to by this user (permissions, or mounted read-only); give it the right to "
            "read and write there, or name another place"
        )


def _parser(name: str, script: str, plan: Plan | Preview | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=sys.modules["__main__"].__doc__)
    default = Path(script).resolve().parent.parent / "conf" / "local.yaml"
    parser.add_argument("--config", type=Path, default=default, help=f"configuration file (default: {default})")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=SET_HELP)
    if name in INGESTING:
        parser.add_argument("--allow-deletes", action="store_true", help="delete any share of the notes in this run")
    if plan is not None:
        parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")
    if plan is not None and not isinstance(plan, Preview):
        parser.add_argument("--rows", type=int, metavar="N", help="plan for so many rows instead of those in the lake")
        parser.add_argument("--width", type=int, metavar="W", help="plan for this width")
    return parser
