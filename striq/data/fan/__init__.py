"""Detection of the fan, the part of an image that shows ultrasound."""

from striq.data.fan.detection import bounding_box, fan_mask

__all__ = ["bounding_box", "fan_mask"]
