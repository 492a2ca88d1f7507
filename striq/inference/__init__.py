"""The same score, faster: ``striq.model`` and ``striq.quality`` arranged for a CPU and one frame at a time."""
