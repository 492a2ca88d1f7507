"""Start the scoring process: ``python -m striq.service``."""

from __future__ import annotations

from striq.service.server import main

if __name__ == "__main__":
    main()
