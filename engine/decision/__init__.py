"""Votes into one decision, with its explanation."""
