"""Parts of the Ultrasound Plane QC module. All but ``Widget``, ``Views`` and ``Shortcuts`` work without Qt."""
