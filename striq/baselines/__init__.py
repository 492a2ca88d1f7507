"""Other ways to score frames, fitted on the same unlabeled frames as the quality score, for comparison."""
