"""Policies of a department: thresholds by plane and site, and the planes that each examination type requires."""
