"""Readers of ultrasound files; frames are read from disk on access."""

from striq.data.readers.dispatch import find_sources, open_cine

__all__ = ["find_sources", "open_cine"]
