"""OpenLineage events of a run and its stages, as version 2-0-2 of the specification has them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from uninote.observe.records import RunEnd, RunStart, StageEnd, Table, iso, now
from uninote.redaction import redact

PRODUCER = "urn:uninote"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_PARENT = f"{_FACETS}/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet"
_ERROR = f"{_FACETS}/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
_VERSION = f"{_FACETS}/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
_JOB_TYPE = f"{_FACETS}/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
_IDS = uuid.UUID("7f4e6f5c-3a38-5d0c-9a55-0f3f5d2f6a11")  # under which our run_ids become UUIDs
_LANGUAGE = "PYTHON"

Event = dict[str, Any]


class OpenLineage:
    """Sends an event at the start and at the end of the run and of each of its stages, whose parent the run is.

    Of a run that was killed the next one sends the end.
    """

    key = "observe.openlineage"

    def __init__(self, send: Callable[[Event], None], namespace: str) -> None:
        self._send = send
        self._namespace = namespace

    def run_started(self, run: RunStart) -> None:
        """Send START of the run."""
        self._send(self._event("START", run.started_at, run, None))

    def run_was_killed(self, run: RunStart, stage: str) -> None:
        """Send ABORT of the stage that an earlier run was in, and of that run: their START has no end yet."""
        for one in (stage, None) if stage else (None,):
            self._send(self._event("ABORT", now(), run, one))

    def stage_started(self, run: RunStart, stage: str, at: datetime) -> None:
        """Send START of a stage."""
        self._send(self._event("START", at, run, stage))

    def stage_ended(self, run: RunStart, end: StageEnd) -> None:
        """Send COMPLETE, or FAIL, with the tables and their versions."""
        event = self._event("FAIL" if end.state == "failed" else "COMPLETE", now(), run, end.stage, end.error)
        event["inputs"] = [_dataset(table) for table in end.inputs]
        event["outputs"] = [_dataset(table) for table in end.outputs]
        self._send(event)

    def run_ended(self, run: RunStart, end: RunEnd) -> None:
        """Send COMPLETE, or FAIL."""
        self._send(self._event("FAIL" if end.exit_code else "COMPLETE", now(), run, None, end.error))

    def _event(self, kind: str, when: datetime, run: RunStart, stage: str | None, error: str | None = None) -> Event:
        facets: dict[str, Any] = {}
        if stage is not None:
            parent = {"run": {"runId": run_uuid(run.run_id)}, "job": self._job(run.job)}
            facets["parent"] = _facet(_PARENT, parent)
        if error is not None:
            facets["errorMessage"] = _facet(_ERROR, {"message": redact(error), "programmingLanguage": _LANGUAGE})
        kinds = {"processingType": "BATCH", "integration": "SPARK", "jobType": "JOB" if stage is None else "TASK"}
        name = run.job if stage is None else f"{run.job}.{stage}"
        return {
            "eventType": kind,
            "eventTime": iso(when),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": {"runId": run_uuid(run.run_id, stage), "facets": facets},
            "job": self._job(name) | {"facets": {"jobType": _facet(_JOB_TYPE, kinds)}},
            "inputs": [],
            "outputs": [],
        }

    def _job(self, name: str) -> dict[str, Any]:
        return {"namespace": self._namespace, "name": name}


def run_uuid(run_id: str, stage: str | None = None) -> str:
    """Return the UUID of a run or of one of its stages: events name runs so. It is the same for the same run_id."""
    return str(uuid.uuid5(_IDS, run_id if stage is None else f"{run_id}/{stage}"))


def _dataset(table: Table) -> dict[str, Any]:
    """Return a table as the naming of datasets has it: `file` and a path, or a bucket and the key in it."""
    found = re.fullmatch(r"([a-z0-9]+)://([^/]+)/?(.*)", table.uri)
    if found is None:
        namespace, name = "file", table.uri
    else:
        # Spark's name of S3; others have another.
        scheme = "s3" if found[1] == "s3a" else found[1]
        namespace, name = f"{scheme}://{found[2]}", found[3] or "/"
    facets = {} if table.version is None else {"version": _facet(_VERSION, {"datasetVersion": str(table.version)})}
    return {"namespace": namespace, "name": redact(name), "facets": facets}


def _facet(schema: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}
