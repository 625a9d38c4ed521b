"""What commands share: which lake and which configuration are meant, and how a result is printed for programs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from uninote.errors import ConfigError
from uninote.storage.environment import export
from uninote.storage.types import S3Options

if TYPE_CHECKING:
    from uninote.config.settings import Config

DEFAULT = Path("conf/local.yaml")
Commands = argparse._SubParsersAction  # what `add_subparsers` returns has no public name


def common_options() -> argparse.ArgumentParser:
    """Return the options of every command, as a parent for their parsers."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--lake", help="the lake's folder, or its URI in an object store")
    common.add_argument("--config", type=Path, help=f"configuration that names the lake (default: {DEFAULT})")
    common.add_argument("--json", action="store_true", help="print one JSON object")
    return common


def lake_of(options: argparse.Namespace) -> str:
    """Return the lake that is meant, and let its store be reached as the configuration says. Raises ConfigError."""
    if options.lake is not None:
        export(S3Options())
        return str(options.lake)
    config = config_of(options)
    if config is None:
        raise ConfigError(f"no lake is named, and there is no {DEFAULT} here; name one with --lake or --config")
    export(S3Options(config.s3.endpoint, config.s3.region))
    return config.lake


def config_of(options: argparse.Namespace) -> Config | None:
    """Return the configuration that is named, or the one below the working folder; null where there is neither."""
    path = options.config or DEFAULT
    if options.config is None and not path.is_file():
        return None
    from uninote.config.loading import load_config

    return load_config(path)


def config_of_lake(options: argparse.Namespace) -> Config | None:
    """Return what `config_of` does, but null where --lake names another lake than the one of the working folder's."""
    config = config_of(options)
    if config is None or options.config is not None or options.lake is None:
        return config
    return config if _plain(options.lake) == _plain(config.lake) else None


def _plain(lake: str) -> str:
    return lake.replace("s3a://", "s3://", 1).rstrip("/") if "://" in lake else os.path.realpath(lake)


def store_of(options: argparse.Namespace) -> str | None:
    """Return the online store that is named, or else the one of the configuration; null where there is neither."""
    if options.store is not None:
        return str(options.store)
    config = config_of_lake(options)
    return None if config is None else config.serving.store


def required_store(options: argparse.Namespace) -> str:
    """Return what `store_of` does. Raises ConfigError where no store is named."""
    store = store_of(options)
    if store is None:
        raise ConfigError("no online store is named; name one with --store, or as serving.store in the configuration")
    return store


def print_json(found: object) -> None:
    """Print a result as one JSON object."""
    # In ASCII: ids and titles come from data, and may hold what a terminal obeys.
    sys.stdout.write(json.dumps(found, default=str) + "\n")
