"""Reading, preparing and synthesizing ultrasound frames."""
