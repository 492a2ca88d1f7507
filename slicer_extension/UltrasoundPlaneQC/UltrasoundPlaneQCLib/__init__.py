"""Library of the module Ultrasound Plane QC; only the panel's modules use Qt."""
