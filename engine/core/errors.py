"""The error tree: every failure a person may read carries a message and a hint.

A traceback tells a developer where; a person needs what went wrong and what to do next,
so both words are part of the error and not of whoever prints it.
"""

from __future__ import annotations


class QuarterdeckError(Exception):
    """A failure that is explained to a person.

    `message` says what is wrong, `hint` what to do about it; `exit_code` is what the
    command line ends with.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(QuarterdeckError):
    """A configuration file, variable or option that can't be accepted."""

    exit_code = 2


class ParameterError(ConfigError):
    """A parameter that is unknown, out of its bounds or not open in that scope."""


class DataError(QuarterdeckError):
    """A recording that can't be read; names file, line and column where known."""

    exit_code = 3


class FeedError(QuarterdeckError):
    """A market feed that can't be opened or was lost for good."""

    exit_code = 4


class JournalError(QuarterdeckError):
    """The journal can't be opened, read or written."""

    exit_code = 5


class JournalLocked(JournalError):
    """Another engine owns this journal."""

    exit_code = 6


class CommandRefused(QuarterdeckError):
    """A person's command that was understood and not carried out; `code` names why."""

    exit_code = 7

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class InvariantBroken(QuarterdeckError):
    """The engine's own books disagree; entries stop at once.

    Raised on NaN in money, on time running backwards and when equity recomputed from the
    fills differs from the ledger's.
    """

    exit_code = 8
