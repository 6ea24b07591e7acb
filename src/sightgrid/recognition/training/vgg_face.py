"""VGG-Face in Keras 3 on JAX, layer for layer, and its transfer to other people.

Parkhi, Vedaldi, Zisserman, "Deep Face Recognition" (2015): VGG-16 as convolutions all the way,
224 x 224 x 3 to 2,622 people, 145,002,878 parameters. Transferred, everything is frozen, the last
three layers are dropped and a 1 x 1 convolution to the new people, flattened, and a softmax take
their place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sightgrid.domain.errors import InvalidValue, MissingExtra, PackError
from sightgrid.domain.geometry import Floats
from sightgrid.domain.safetensors import write_tensors

FEWEST_CLASSES = 2


@dataclass(frozen=True, slots=True)
class VggShape:
    """The sizes of the network: the public one's, or smaller ones of the same build.

    ``stages``: filters and number of convolutions between two poolings.
    """

    side_px: int = 224
    stages: tuple[tuple[int, int], ...] = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    dense: int = 4096
    classes: int = 2622


PUBLIC = VggShape()


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """How many numbers a network holds, and how many of them a training would change."""

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        return self.total - self.trainable


@dataclass(frozen=True, slots=True)
class DescribedLayer:
    """A layer in words; ``output`` without the batch."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int


def _keras() -> Any:
    if find_spec("keras") is None or find_spec("jax") is None:
        raise MissingExtra("VGG-Face", extra="vggface")
    # the extra brings no other backend; Keras asks for TensorFlow unless it is told
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    return keras


def vgg_face(shape: VggShape = PUBLIC, *, initial: str = "zeros") -> Any:
    """The network (``keras.Sequential``) with the layers' public names.

    Args:
        initial: Keras' initialiser of the weights; zeros are quick and wait to be read from a file.

    Raises:
        MissingExtra: Keras or JAX is not installed.
    """
    keras = _keras()
    layers = keras.layers
    model = keras.Sequential(name="vgg_face")
    model.add(keras.Input((shape.side_px, shape.side_px, 3)))
    for stage, (filters, count) in enumerate(shape.stages, start=1):
        for place in range(1, count + 1):
            model.add(layers.ZeroPadding2D((1, 1)))
            model.add(
                layers.Conv2D(
                    filters,
                    (3, 3),
                    activation="relu",
                    kernel_initializer=initial,
                    name=f"conv{stage}_{place}",
                )
            )
        model.add(layers.MaxPooling2D((2, 2), strides=(2, 2)))
    side = shape.side_px >> len(shape.stages)
    for name, window in (("fc6", side), ("fc7", 1)):
        model.add(
            layers.Conv2D(
                shape.dense,
                (window, window),
                activation="relu",
                kernel_initializer=initial,
                name=name,
            )
        )
        model.add(layers.Dropout(0.5))
    model.add(layers.Conv2D(shape.classes, (1, 1), kernel_initializer=initial, name="fc8"))
    model.add(layers.Flatten())
    model.add(layers.Activation("softmax"))
    return model


def transferred(model: Any, *, classes: int) -> Any:
    """The network for ``classes`` other people: frozen, its last three layers replaced.

    Raises:
        InvalidValue: fewer than two people.
    """
    if classes < FEWEST_CLASSES:
        raise InvalidValue(
            f"{classes} people can't be told apart", hint=f"give {FEWEST_CLASSES} or more"
        )
    keras = _keras()
    layers = keras.layers
    changed = keras.Sequential(name="vgg_face_transferred")
    changed.add(keras.Input(model.input_shape[1:]))
    for layer in model.layers[:-3]:
        layer.trainable = False
        changed.add(layer)
    changed.add(layers.Conv2D(classes, (1, 1), name="people"))
    changed.add(layers.Flatten())
    changed.add(layers.Activation("softmax"))
    return changed


def parameters(model: Any) -> ParameterCount:
    """How many parameters a network has."""
    return ParameterCount(
        total=sum(int(np.prod(weight.shape)) for weight in model.weights),
        trainable=sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
    )


def described_layers(model: Any) -> list[DescribedLayer]:
    """The layers in order of the forward pass."""
    return [
        DescribedLayer(
            name=layer.name,
            kind=type(layer).__name__,
            output=tuple(int(side) for side in layer.output.shape[1:]),
            parameters=sum(int(np.prod(weight.shape)) for weight in layer.weights),
        )
        for layer in model.layers
    ]


def read_weights(model: Any, path: Path) -> None:
    """Fills the network from a file in the layout of the public ``vgg-face-keras.h5``: HDF5 as
    Keras 2 saves weights, a group a layer, in order; what holds no weights is passed over.

    Raises:
        PackError: the file can't be read, or holds another network.
    """
    stored = list(_stored_layers(path))
    wanted = [layer for layer in model.layers if layer.weights]
    if len(stored) != len(wanted):
        raise PackError(
            f"{path.name} holds {len(stored)} layers with weights, the network has {len(wanted)}"
        )
    for layer, (name, arrays) in zip(wanted, stored, strict=True):
        expected = [tuple(weight.shape) for weight in layer.weights]
        found = [array.shape for array in arrays]
        if found != expected:
            raise PackError(
                f"{path.name}: layer '{name}' has shapes {found}, {layer.name} needs {expected}"
            )
        if not all(np.isfinite(array).all() for array in arrays):
            raise PackError(f"{path.name}: layer '{name}' holds values that are no numbers")
        layer.set_weights(arrays)


def _stored_layers(path: Path) -> Iterator[tuple[str, list[Floats]]]:
    if find_spec("h5py") is None:
        raise MissingExtra("reading weights of Keras", extra="vggface")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            for name in _names(root.attrs["layer_names"]):
                group = root[name]
                tensors = [
                    np.asarray(group[weight], np.float32)
                    for weight in _names(group.attrs["weight_names"])
                ]
                if tensors:
                    yield name, tensors
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PackError(f"{path} can't be read as weights of Keras: {error}") from error


def _names(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def write_weights(model: Any, path: Path) -> None:
    """Writes the weights as safetensors, as ``models add`` takes them for an embedder of kind
    ``vgg-face``: ``conv1_1.weight`` (out, in, height, width), ``conv1_1.bias`` and so on.

    Raises:
        OutputError: the file can't be written.
    """
    tensors: dict[str, Floats] = {}
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (np.asarray(array, np.float32) for array in layer.get_weights())
            tensors[f"{layer.name}.weight"] = kernel.transpose(3, 2, 0, 1)
            tensors[f"{layer.name}.bias"] = bias
    write_tensors(path, tensors)
