"""The commands of the command line; each imports what it computes with only when it runs."""
