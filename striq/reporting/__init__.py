"""Results as files: table of scores, picture of a cine, page of all cines, DICOM structured report."""
