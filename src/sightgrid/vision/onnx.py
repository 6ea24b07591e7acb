"""Runs ONNX networks: the only file that imports onnxruntime and openvino.

Both runtimes agree to a cosine of 0.9999 or better on every bundled net (a test holds them to it),
so the runtime is no part of an embedding's contract.
"""

from __future__ import annotations

import sys
import threading
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.domain.geometry import Floats


class Runtime(StrEnum):
    """What executes a network."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


class Network(Protocol):
    """A loaded network with one input. ``run`` may be called from several threads at once."""

    runtime: Runtime
    outputs: tuple[str, ...]

    def run(self, batch: Floats) -> dict[str, Floats]:
        """One forward pass; every output by its name."""


def is_installed(runtime: Runtime) -> bool:
    """Whether the runtime's package can be imported here."""
    return find_spec(runtime.value) is not None


def open_network(
    path: Path,
    *,
    runtime: Runtime,
    threads: int,
    calls: int = 1,
    shape: tuple[int, ...] | None = None,
) -> Network:
    """Loads ``path`` for one input of float32, computing with ``threads`` threads a call.

    Args:
        calls: how many calls, from as many threads, shall run side by side. OpenVINO lets further
            ones wait; ONNX Runtime runs any number.
        shape: the one shape that the input will have, if it is known. OpenVINO runs small
            convolutions up to three times as fast for it; ONNX Runtime has no use for it.

    Raises:
        MissingExtra: OpenVINO is asked for and not installed.
        PackError: the file is no network this runtime can run.
    """
    match runtime:
        case Runtime.ONNXRUNTIME:
            return OnnxRuntimeNetwork(path, threads=threads)
        case Runtime.OPENVINO:
            if not is_installed(runtime):
                raise MissingExtra("inference on OpenVINO", extra="openvino")
            return OpenVinoNetwork(path, threads=threads, calls=calls, shape=shape)


class OnnxRuntimeNetwork:
    """A network on ONNX Runtime's CPU provider."""

    runtime = Runtime.ONNXRUNTIME

    def __init__(self, path: Path, *, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # spinning workers would take the cores from decoding and from the other stages
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                _with_prelu_spelt_out(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "onnxruntime":
                raise
            raise PackError(f"ONNX Runtime can't load {path.name}: {error}") from error
        self._name = path.name
        self._input = self._session.get_inputs()[0].name
        self.outputs = tuple(item.name for item in self._session.get_outputs())

    def run(self, batch: Floats) -> dict[str, Floats]:
        """One forward pass; every output by its name."""
        try:
            arrays = self._session.run(None, {self._input: batch})
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "onnxruntime":
                raise
            raise PackError(f"ONNX Runtime can't run {self._name}: {error}") from error
        return dict(zip(self.outputs, arrays, strict=True))


def _with_prelu_spelt_out(path: Path) -> bytes:
    """The graph with every PRelu as ``slope * x + (1 - slope) * relu(x)``.

    ONNX Runtime has no vectorised PRelu on the CPU and leaves its blocked layout for each one. On
    feature maps both products are written as 1x1 depthwise convolutions, which stay in that layout
    and take the sum along: SFace takes half the time and gives the same numbers.
    """
    try:
        model = onnx.load(path)
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise PackError(f"{path} can't be read as a network: {error}") from error
    weights = {item.name: item for item in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        slope = weights.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None:
            nodes.append(node)
            continue
        factors = numpy_helper.to_array(slope)
        nodes += _spelt_out(node, factors)
        for name, values in (("slope", factors), ("rest", 1.0 - factors)):
            shape = (-1, 1, 1, 1) if _one_a_channel(factors) else factors.shape
            model.graph.initializer.append(
                numpy_helper.from_array(
                    values.reshape(shape).astype(np.float32), f"{node.output[0]}_{name}"
                )
            )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    serialised: bytes = model.SerializeToString()
    return serialised


def _one_a_channel(factors: NDArray[np.generic]) -> bool:
    """Whether these are slopes (C, 1, 1) of a feature map, not one for all nor of a dense layer."""
    return factors.ndim >= 3 and factors.shape[-3] == factors.size > 1


def _spelt_out(node: onnx.NodeProto, factors: NDArray[np.generic]) -> list[onnx.NodeProto]:
    data, out = node.input[0], node.output[0]
    relu = helper.make_node("Relu", [data], [f"{out}_relu"])
    total = helper.make_node("Add", [f"{out}_b", f"{out}_a"], [out])
    terms = ((data, f"{out}_slope", f"{out}_a"), (f"{out}_relu", f"{out}_rest", f"{out}_b"))
    if _one_a_channel(factors):
        products = [
            helper.make_node(
                "Conv", [values, weight], [product], group=factors.size, kernel_shape=[1, 1]
            )
            for values, weight, product in terms
        ]
    else:
        products = [
            helper.make_node("Mul", [values, weight], [product])
            for values, weight, product in terms
        ]
    return [relu, *products, total]


def _import_openvino() -> Any:
    """OpenVINO without its telemetry, which would write an id into the home folder and call a
    statistics server at import; nothing here calls anybody the operator did not name."""
    # an entry of None makes the import fail, upon which OpenVINO uses its own silent stand-in
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


@cache
def _openvino_core() -> Any:
    """One for the process: to make another loads its plugins again."""
    return _import_openvino().Core()


# OpenVINO's Python layer sets up its tables at the first inference of a process; when two threads
# come to it at once, both wait for ever
_FIRST_INFERENCE = threading.Lock()
_INFERRED_ONCE = threading.Event()


class OpenVinoNetwork:
    """A network on OpenVINO's CPU plugin, computing in float32."""

    runtime = Runtime.OPENVINO

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        calls: int = 1,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        try:
            core = _openvino_core()
            model = core.read_model(str(path))
            if shape is not None:
                model.reshape(list(shape))
            self._compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads * calls,
                    # bf16 and f16 would move vectors out of their contract, and are slower here
                    "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "LATENCY",
                    "NUM_STREAMS": str(calls),
                },
            )
        except RuntimeError as error:
            raise PackError(f"OpenVINO can't load {path.name}: {error}") from error
        self._name = path.name
        # an output may go by several names here, so the file's own are taken, in its order
        self.outputs = _output_names(path)
        self._local = threading.local()

    def run(self, batch: Floats) -> dict[str, Floats]:
        """One forward pass; every output by its name."""
        if not _INFERRED_ONCE.is_set():
            with _FIRST_INFERENCE:
                outputs = self._run(batch)
                _INFERRED_ONCE.set()
                return outputs
        return self._run(batch)

    def _run(self, batch: Floats) -> dict[str, Floats]:
        request: Any = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        try:
            request.infer({0: batch}, share_inputs=True)
        except RuntimeError as error:
            raise PackError(f"OpenVINO can't run {self._name}: {error}") from error
        return {name: np.array(request.get_tensor(name).data) for name in self.outputs}


def _output_names(path: Path) -> tuple[str, ...]:
    return tuple(item.name for item in onnx.load(path, load_external_data=False).graph.output)
