"""``sightgrid.yml``: read, checked, and its secrets kept out of sight."""

from sightgrid.configuration.document import configuration_of, read_configuration
from sightgrid.configuration.settings import (
    BoxSettings,
    CameraSettings,
    Configuration,
    Polygon,
)

__all__ = [
    "BoxSettings",
    "CameraSettings",
    "Configuration",
    "Polygon",
    "configuration_of",
    "read_configuration",
]
