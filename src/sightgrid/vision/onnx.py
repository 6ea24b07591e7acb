"""Runs ONNX networks: the only file that imports onnxruntime and openvino.

Both runtimes agree to a cosine of 0.9999 or better on every bundled net (a test holds them to it),
so the runtime is no part of an embedding's contract.
"""

from __future__ import annotations

import sys
import threading
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper

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


def open_network(path: Path, *, runtime: Runtime, threads: int) -> Network:
    """Loads ``path`` for one input of float32, computing with ``threads`` threads a call.

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
            return OpenVinoNetwork(path, threads=threads)


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
    """The graph with every PRelu as relu(x) + slope * (x - relu(x)).

    ONNX Runtime has no vectorised PRelu on the CPU and leaves its blocked layout for each one;
    spelt out, SFace takes a third less time and gives the same numbers.
    """
    try:
        model = onnx.load(path)
    except (OSError, ValueError, DecodeError, onnx.checker.ValidationError) as error:
        raise PackError(f"{path} can't be read as a network: {error}") from error
    nodes = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        data, slope = node.input
        out = node.output[0]
        nodes += [
            helper.make_node("Relu", [data], [f"{out}_positive"]),
            helper.make_node("Sub", [data, f"{out}_positive"], [f"{out}_negative"]),
            helper.make_node("Mul", [f"{out}_negative", slope], [f"{out}_sloped"]),
            helper.make_node("Add", [f"{out}_positive", f"{out}_sloped"], [out]),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    serialised: bytes = model.SerializeToString()
    return serialised


def _import_openvino() -> Any:
    """OpenVINO without its telemetry, which would write an id into the home folder and call a
    statistics server at import; nothing here calls anybody the operator did not name."""
    # an entry of None makes the import fail, upon which OpenVINO uses its own silent stand-in
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


class OpenVinoNetwork:
    """A network on OpenVINO's CPU plugin, computing in float32."""

    runtime = Runtime.OPENVINO

    def __init__(self, path: Path, *, threads: int) -> None:
        openvino = _import_openvino()
        try:
            self._compiled = openvino.Core().compile_model(
                str(path),
                "CPU",
                {
                    "INFERENCE_NUM_THREADS": threads,
                    # bf16 and f16 would move vectors out of their contract, and are slower here
                    "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "LATENCY",
                    # each thread brings its own request, so let each run beside the others
                    "NUM_STREAMS": "1",
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
