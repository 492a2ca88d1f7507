"""Start the scoring process: ``python -m striq.service``."""

from __future__ import annotations

from striq.collection import begin_loading, end_loading
from striq.waiting import limit_spinning

if __name__ == "__main__":
    limit_spinning()
    begin_loading()
    from striq.service.server import main

    end_loading()
    main()
