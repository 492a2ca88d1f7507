"""Scores as files: CSV table, picture of a cine, HTML page, DICOM structured report."""
