"""Dashboard: the history of an audit as one page, which opens offline."""
