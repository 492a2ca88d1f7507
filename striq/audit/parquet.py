"""Apache Arrow, which reads and writes Parquet, or a sentence about what to install."""

from __future__ import annotations

from striq.errors import StriqError

try:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet
except ImportError as error:
    msg = "An audit reads and writes Parquet, which needs pyarrow. Install it: pip install 'striq[audit]'."
    raise StriqError(msg) from error

ARROW_ERRORS = (pyarrow.ArrowException, OSError, EOFError)  # what a damaged or foreign file raises

__all__ = ["ARROW_ERRORS", "pyarrow"]
