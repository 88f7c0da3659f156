"""The trading engine. Imports no textual, no rich, no app and no widgets."""
