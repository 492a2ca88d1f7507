"""Run the tests in ``Testing/Python`` inside Slicer, as the module's *Reload and Test* does."""

from __future__ import annotations

import unittest
from pathlib import Path

TESTS = Path(__file__).parents[1] / "Testing" / "Python"


def runSelfTest() -> None:
    """Run all tests of the folder.

    Raises:
        AssertionError: If one fails.
    """
    suite = unittest.defaultTestLoader.discover(str(TESTS), pattern="*Test.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        problems = [test.id() for test, _ in (*result.failures, *result.errors)]
        raise AssertionError(f"{len(problems)} of {result.testsRun} tests failed: {', '.join(problems)}.")
