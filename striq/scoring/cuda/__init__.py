"""Scoring on a CUDA device."""
