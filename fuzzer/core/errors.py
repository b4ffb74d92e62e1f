"""The root of the errors that Crosswire raises for its users to read."""

__all__ = ("CrosswireError", "UsageError")


class CrosswireError(Exception):
    """Something cannot be done; the message is one line that says what is wrong and what to do."""


class UsageError(CrosswireError, ValueError):
    """What was asked for makes no sense: an option, a setting, a name."""
