"""What happened: the journal, its tables, its readers."""

from __future__ import annotations

from engine.journal.errors import JournalDamaged, JournalUnavailable
from engine.journal.journal import Journal
from engine.journal.queries import Reader
from engine.journal.recovered import Recovered

__all__ = ["Journal", "JournalDamaged", "JournalUnavailable", "Reader", "Recovered"]
