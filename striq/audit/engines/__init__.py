"""Engines: who does the shards, one process or many. Each runs the same worker, so that all give the same rows."""
