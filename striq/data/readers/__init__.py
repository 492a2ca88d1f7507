"""Readers: a file or folder on disk in, lazily read ultrasound frames out."""

from striq.data.readers.dispatch import find_sources, open_cine

__all__ = ["find_sources", "open_cine"]
