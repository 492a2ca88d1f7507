"""Agreement of scores with human ratings."""
