"""The scoring process, which keeps a model loaded for programs with a window or a server, and its client."""
