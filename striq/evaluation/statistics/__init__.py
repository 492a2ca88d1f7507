"""Rank correlations, classification metrics and their bootstrap intervals."""
