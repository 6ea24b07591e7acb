"""sightgrid: which person, or which anonymous visitor, was seen by which camera, when."""

__version__ = "0.1.0"
