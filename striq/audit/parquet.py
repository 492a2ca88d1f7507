"""Import of pyarrow, which reads and writes Parquet, with a message that says how to install it."""

from __future__ import annotations

from striq.errors import StriqError

try:
    import pyarrow
    import pyarrow.compute  # pyright: ignore[reportUnusedImport]
    import pyarrow.parquet  # pyright: ignore[reportUnusedImport]
except ImportError as error:
    msg = "An audit reads and writes Parquet, which needs pyarrow. Install it: pip install 'striq[audit]'."
    raise StriqError(msg) from error

PARQUET_ERRORS = (pyarrow.ArrowException, OSError, EOFError)  # raised for damaged files and files of other formats

__all__ = ["PARQUET_ERRORS", "pyarrow"]
