"""VGG-Face as ONNX: 224 x 224 pixels of a face to the 4,096 numbers of its layer fc7.

Parkhi, Vedaldi, Zisserman, "Deep Face Recognition" (2015). Built from weights that
:mod:`sightgrid.recognition.training.vgg_face` reads and writes. Takes BGR 0-255, from which the
mean of the training's pixels is taken off, as the network's authors did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats
from sightgrid.domain.safetensors import read_tensors
from sightgrid.vision.drawing import Drawing

_PIXEL_MEAN_BGR = (93.594, 104.7624, 129.1863)
_CONVOLUTION = re.compile(r"conv(\d+)_(\d+)\.weight")


def convert_vgg_face(source: Path, target: Path) -> None:
    """Writes the network with the weights in ``source`` (safetensors) as ONNX to ``target``.

    Raises:
        PackError: the file can't be read, a tensor is missing or of another shape.
    """
    model = vgg_face(read_tensors(source))
    target.write_bytes(model.SerializeToString(deterministic=True))


def vgg_face(tensors: Mapping[str, Floats]) -> onnx.ModelProto:
    """The network up to fc7: ``face`` (faces, 3, S, S) BGR 0-255 to ``embedding`` (faces, D), not
    of unit length. S follows from fc6: 224 for the public network.

    Raises:
        PackError: a tensor is missing or of another shape.
    """
    drawing = Drawing()
    mean = np.array(_PIXEL_MEAN_BGR, np.float32).reshape(1, 3, 1, 1)
    data = drawing.node("Sub", ["face", drawing.constant("pixel_mean", mean)], "pixels")
    stages = sorted(
        (int(found[1]), int(found[2]))
        for name in tensors
        if (found := _CONVOLUTION.fullmatch(name))
    )
    channels, last_stage = 3, max((stage for stage, _ in stages), default=0)
    for number, (stage, place) in enumerate(stages):
        data, channels = _convolved(drawing, tensors, data, f"conv{stage}_{place}", channels, pad=1)
        if number + 1 == len(stages) or stages[number + 1][0] != stage:
            data = drawing.pooled("MaxPool", data, f"pool{stage}", side=2)
    data, channels = _convolved(drawing, tensors, data, "fc6", channels, pad=0)
    data, channels = _convolved(drawing, tensors, data, "fc7", channels, pad=0)
    drawing.node("Flatten", [data], "embedding")
    side = tensors["fc6.weight"].shape[2] << last_stage
    return drawing.model(
        "vgg_face",
        inputs={"face": ["faces", 3, side, side]},
        outputs={"embedding": ["faces", channels]},
    )


def _convolved(
    drawing: Drawing,
    tensors: Mapping[str, Floats],
    data: str,
    name: str,
    channels: int,
    *,
    pad: int,
) -> tuple[str, int]:
    weights, bias = (tensors.get(f"{name}.{part}") for part in ("weight", "bias"))
    if weights is None or bias is None:
        raise PackError(f"the weights are of another network: layer '{name}' is missing")
    if weights.ndim != 4 or weights.shape[1] != channels or bias.shape != weights.shape[:1]:
        raise PackError(f"layer '{name}' has shapes {weights.shape} and {bias.shape}")
    if weights.shape[2] != weights.shape[3] or (pad and weights.shape[2] != 3):
        raise PackError(f"layer '{name}' has windows of {weights.shape[2:]}")
    summed = drawing.convolution(data, name, weights, bias, (1, 1), (pad, pad))
    return drawing.rectified(summed), int(weights.shape[0])
