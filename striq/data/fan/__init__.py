"""Detection of the fan, the part of an image that shows ultrasound."""

from striq.data.fan.detection import fan_mask, find_fan
from striq.data.fan.morphology import bounding_box
from striq.data.fan.trace import without_trace

__all__ = ["bounding_box", "fan_mask", "find_fan", "without_trace"]
