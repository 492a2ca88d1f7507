"""Engines that run an audit in one process or many; all use the same worker and give the same rows."""
