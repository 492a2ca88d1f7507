"""Results as files: the table of scores and the picture of a cine's score over time."""
