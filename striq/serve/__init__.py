"""The service of a department: DICOM objects arrive, are scored, and reports go back (``striq serve``)."""
