"""Agreement of the quality score with human judgement, beside its controls."""
