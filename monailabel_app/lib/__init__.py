"""Parts of the MONAI Label app; without imports, so that those that need no MONAI Label work without it."""
