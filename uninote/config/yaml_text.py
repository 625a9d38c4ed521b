"""YAML as this project reads it: a key stands once, and what is wrong is one sentence. The only module that imports yaml."""

from __future__ import annotations

from typing import Any

import yaml

from uninote.errors import UninoteError


class YamlTextError(UninoteError):
    """A text that is not the YAML it should be."""


def parse(text: str) -> Any:
    """Return what `text` holds, null when it is empty. Raises YamlTextError with the line."""
    return _load(text, _Typed)


def parse_strings(text: str) -> Any:
    """Return what `text` holds with every scalar as the string that was written: 007, no and 2024-01-01 among them."""
    return _load(text, _Strings)


def _load(text: str, loader: type[_Typed | _Strings]) -> Any:
    try:
        return yaml.load(text, loader)
    except yaml.MarkedYAMLError as error:
        # The library's own message quotes the line, and with it whatever secret stands there.
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise YamlTextError(f"{place}{_problem(error)}") from error
    except yaml.YAMLError as error:
        raise YamlTextError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise YamlTextError("lists or mappings nested too deep") from error
    except ValueError as error:
        # YAML's own rules let in dates and numbers that Python refuses, such as 2024-13-45.
        raise YamlTextError(f"{error}; write it in quotes if it is a text") from error


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "it cannot be read").split())
    if "'\\t'" in problem:
        return "a tab; YAML wants spaces there"
    if "cannot start any token" in problem:
        return f"{problem}; write a text that begins so in quotes"
    if "mapping values are not allowed" in problem:
        return f"{problem}; write a text with a colon and a space in quotes"
    return problem


class _OnceEach:
    """Refuses a key that stands twice: the library itself takes the last in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            self._refuse_repeated(node)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return mapping

    def _refuse_repeated(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is no text", problem_mark=key.start_mark)
            if key.value in seen:
                problem = f"the key {key.value!r} stands there twice; leave one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)


class _Typed(_OnceEach, yaml.SafeLoader):  # type: ignore[misc]
    """YAML's own types."""


class _Strings(_OnceEach, yaml.BaseLoader):  # type: ignore[misc]
    """Strings alone."""
