"""Reference anchors: selection and storage."""
