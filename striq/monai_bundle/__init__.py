"""Classes and functions that only the configuration files of the MONAI bundle name."""
