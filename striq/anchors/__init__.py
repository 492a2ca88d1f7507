"""Reference anchors: how they are chosen and stored."""
