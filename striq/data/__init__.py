"""Ultrasound frames: readers, preprocessing, augmentation, data sets, splits and the synthetic phantom."""
