"""The two ways a run can end badly; more specific errors derive from these beside the code that raises them."""

from uninote.redaction import redact


class UninoteError(Exception):
    """Something a person can act on: the message says what was wrong, the value, the rule and the remedy. Exit 1.

    Printed, it holds no secret, wherever it goes: a terminal, a table, the trace of a worker. `exit_code` is what a job ends
    with that raises it.
    """

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class ConfigError(UninoteError):
    """The configuration is wrong. Every problem is in the one message. Exit 2."""

    exit_code = 2
