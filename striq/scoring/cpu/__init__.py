"""Scoring on a CPU: the reference method, rearranged for one frame against many anchors."""
