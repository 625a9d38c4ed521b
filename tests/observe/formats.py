"""Strict readings of the two formats that other programs take, by their specifications; no code is shared with the project."""

from __future__ import annotations

import re
import uuid
from datetime import datetime

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")  # RFC 3986: a scheme need not be followed by slashes
KINDS = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}


def read_prometheus(text: str) -> dict[tuple, float]:
    """Return (name, labels) -> value. Raises AssertionError where text breaks a rule of the text format, version 0.0.4.

    Every metric has one HELP, then one TYPE, then all of its samples together; no sample comes twice.
    """
    assert text.endswith("\n")
    found: dict[tuple, float] = {}
    seen: list[str] = []
    helped = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert NAME.fullmatch(helped)
            assert words
            assert helped not in seen
            seen.append(helped)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {helped} gauge"
        elif not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == helped
            key = (name, labels_of(labels))
            assert key not in found
            found[key] = float(value)
    return found


def labels_of(text: str) -> frozenset:
    pairs = LABEL.findall(text)
    assert ",".join(f'{name}="{value}"' for name, value in pairs) == text.rstrip(",")
    assert len(dict(pairs)) == len(pairs)
    plain = {name: value.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\") for name, value in pairs}
    return frozenset(plain.items())


def check_event(event: dict) -> None:
    """Raise AssertionError unless an object is a RunEvent as OpenLineage 2-0-2 has it, with the facets that ours carry."""
    assert set(event) <= {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}
    assert event["eventType"] in KINDS
    assert datetime.fromisoformat(event["eventTime"]).utcoffset() is not None
    assert URI.fullmatch(event["producer"])
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    uuid.UUID(event["run"]["runId"])
    check_job(event["job"])
    check_facets(event["run"]["facets"], {"parent": ("run", "job"), "errorMessage": ("message", "programmingLanguage")})
    check_facets(event["job"]["facets"], {"jobType": ("processingType", "integration")})
    if parent := event["run"]["facets"].get("parent"):
        uuid.UUID(parent["run"]["runId"])
        check_job(parent["job"])
    for dataset in (*event["inputs"], *event["outputs"]):
        check_job(dataset)
        check_facets(dataset["facets"], {"version": ("datasetVersion",)})
        assert all(isinstance(facet["datasetVersion"], str) for facet in dataset["facets"].values())


def check_job(named: dict) -> None:
    assert isinstance(named["namespace"], str)
    assert named["namespace"]
    assert isinstance(named["name"], str)
    assert named["name"]


def check_facets(facets: dict, known: dict[str, tuple[str, ...]]) -> None:
    for name, facet in facets.items():
        assert {"_producer", "_schemaURL", *known[name]} <= set(facet)
        assert URI.fullmatch(facet["_producer"])
        assert URI.fullmatch(facet["_schemaURL"].split("#")[0])
