"""Scoring frames: the scorer, its engines, checkpoints and exports."""
