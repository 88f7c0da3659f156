"""What can be wrong with a journal, beyond the two errors that the core names."""

from __future__ import annotations

from engine.core.errors import JournalError


class JournalUnavailable(JournalError):
    """Something could not be committed now; it stays queued and is tried again.

    Whoever gets it must not let the effect happen: nothing is on disk yet.
    """


class JournalDamaged(JournalError):
    """Bytes of the journal are not those that were written; nothing is traded on it."""
