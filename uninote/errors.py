"""The two ways a run can end badly; more specific errors derive from these beside the code that raises them."""


class UninoteError(Exception):
    """Something a person can act on: the message says what was wrong, the value, the rule and the remedy. Exit 1."""


class ConfigError(UninoteError):
    """The configuration is wrong. Every problem is in the one message. Exit 2."""
