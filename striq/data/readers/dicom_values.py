"""Optional values of a DICOM header, which may be missing or malformed."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

logger = logging.getLogger(__name__)
# Raised by pydicom when it converts a malformed value.
VALUE_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, NotImplementedError)


class HeaderValues:
    """Reads optional values of a dataset. A malformed value counts as missing and is logged once.

    Args:
        dataset: Header, or an item of one of its sequences.
        source: File, for messages.
    """

    def __init__(self, dataset: Dataset, source: Path) -> None:
        self._dataset, self._source = dataset, source
        self._complained: set[str] = set()

    def numbers(self, keyword: str) -> list[float]:
        """Return the values of an element as finite numbers; empty if it is missing or malformed."""
        value = self._value(keyword)
        if value is None or value == "":
            return []
        try:
            numbers = [float(part) for part in (value if isinstance(value, MultiValue | list | tuple) else (value,))]
        except VALUE_ERRORS:
            numbers = [math.nan]
        if not all(math.isfinite(number) for number in numbers):
            self._complain(keyword, str(value))
            return []
        return numbers

    def number(self, keyword: str) -> float | None:
        """Return the first value of an element as a finite number; ``None`` if it is missing or malformed."""
        return next(iter(self.numbers(keyword)), None)

    def integer(self, keyword: str) -> int | None:
        """Return the first value of an element rounded down; ``None`` if it is missing or malformed."""
        number = self.number(keyword)
        return None if number is None else math.floor(number)

    def text(self, keyword: str) -> str:
        """Return an element as text; empty if it is missing or malformed."""
        value = self._value(keyword)
        return "" if value is None else str(value).strip()

    def entries(self, keyword: str, count: int | None) -> NDArray[np.uint16]:
        """Return the entries of a lookup table; empty if it is missing or malformed.

        Args:
            keyword: Element that holds them, as numbers or as bytes of one or two per entry.
            count: Number of entries that the descriptor states, where 0 means 65,536.
        """
        value = self._value(keyword)
        if not isinstance(value, bytes):
            return np.array([number % 2**16 for number in self.numbers(keyword)], np.uint16)
        is_wide = len(value) >= 2 * (count or 2**16)
        return np.frombuffer(value[: len(value) // 2 * 2], "<u2" if is_wide else "u1").astype(np.uint16)

    def items(self, keyword: str) -> list[HeaderValues]:
        """Return the items of a sequence; empty if it is missing or malformed."""
        value = self._value(keyword) or ()
        try:
            return [HeaderValues(item, self._source) for item in value if isinstance(item, Dataset)]
        except VALUE_ERRORS:
            self._complain(keyword, "a damaged sequence")
            return []

    def _value(self, keyword: str) -> Any:
        try:
            return self._dataset.get(keyword)
        except VALUE_ERRORS as error:
            self._complain(keyword, str(error))
            return None

    def _complain(self, keyword: str, got: str) -> None:
        if keyword not in self._complained:
            self._complained.add(keyword)
            logger.warning("%s: the value of %s is not used: %s.", self._source, keyword, " ".join(got.split())[:80])
