"""The paper's tables and figures, each beside the published figures."""
