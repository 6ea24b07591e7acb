"""Where frames come from: video files and streams (PyAV), folders of pictures, live cameras.

Every frame of a recording is delivered, in order, with the time it was taken at: the recording's
start plus the frame's own timestamp. What breaks off midway ends with a reason, not an exception;
what can't be opened at all raises. Of a live camera the newest frame wins (``live``).
"""

from sightgrid.domain.locations import redacted
from sightgrid.vision.sources.folders import PictureFolder
from sightgrid.vision.sources.framesource import Clock, Ending, FrameSource, SourceFacts
from sightgrid.vision.sources.opening import open_source
from sightgrid.vision.sources.recordings import VideoSource

__all__ = [
    "Clock",
    "Ending",
    "FrameSource",
    "PictureFolder",
    "SourceFacts",
    "VideoSource",
    "open_source",
    "redacted",
]
