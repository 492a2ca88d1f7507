"""Synthetic ultrasound phantom: B-mode frames of six planes with known pose and known structural quality."""

from striq.data.phantom.cine import make_phantom_cine
from striq.data.phantom.parameters import PhantomParameters, ideal_presence, sample_parameters
from striq.data.phantom.phantom import PhantomFrame, PhantomFrames, make_phantom, render_phantom
from striq.data.phantom.planes import PHANTOM_PLANES, SYNTHETIC, drawable_planes, planes_to_draw
from striq.data.phantom.storage import write_phantom
from striq.data.phantom.subjects import landmarks

__all__ = [
    "PHANTOM_PLANES",
    "SYNTHETIC",
    "PhantomFrame",
    "PhantomFrames",
    "PhantomParameters",
    "drawable_planes",
    "ideal_presence",
    "landmarks",
    "make_phantom",
    "make_phantom_cine",
    "planes_to_draw",
    "render_phantom",
    "sample_parameters",
    "write_phantom",
]
