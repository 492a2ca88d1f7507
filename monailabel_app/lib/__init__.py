"""Parts of the MONAI Label app. It imports nothing: some parts are used without MONAI Label."""
