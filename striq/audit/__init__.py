"""Audit of an archive: every frame scored into Parquet, by as many processes as there are, with a summary."""
