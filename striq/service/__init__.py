"""The scoring process and its client."""
