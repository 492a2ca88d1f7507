"""Start the scoring process: ``python -m striq.service``."""

from __future__ import annotations

from striq.waiting import limit_spinning

if __name__ == "__main__":
    limit_spinning()
    from striq.service.server import main

    main()
