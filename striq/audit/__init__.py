"""Audit of an archive: score every frame into Parquet, in one process or many, and write a summary page."""
