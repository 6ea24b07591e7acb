"""VGG-Face with generated weights: counts, layout and parity, never accuracy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from sightgrid.cli.models import command
from sightgrid.domain.errors import InvalidValue, PackError
from sightgrid.recognition.training.vgg_face import (
    VggShape,
    described_layers,
    parameters,
    read_weights,
    transferred,
    vgg_face,
    write_weights,
)

os.environ.setdefault("KERAS_BACKEND", "jax")
pytest.importorskip("jax", reason="jax is not installed (extra 'vggface')")
keras = pytest.importorskip("keras", reason="keras is not installed (extra 'vggface')")
h5py = pytest.importorskip("h5py", reason="h5py is not installed (extra 'vggface')")

TINY = VggShape(side_px=32, stages=((4, 2), (6, 2), (8, 3), (8, 3), (8, 3)), dense=12, classes=7)


def keras2_file(path: Path, model: Any, *, rng: np.random.Generator, wrapped: bool = False) -> None:
    """Weights of the network's shapes as Keras 2 saved them: a group a layer, padding and pooling
    among them, names of layers and weights as bytes in attributes."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if wrapped else file
        names = []
        for layer in model.layers:
            name = layer.name
            names.append(name.encode())
            group = root.create_group(name)
            told = []
            for kind, weight in zip(("kernel:0", "bias:0"), layer.weights, strict=False):
                told.append(f"{name}/{kind}".encode())
                values = rng.normal(0, 0.3, weight.shape).astype(np.float32)
                group.create_dataset(f"{name}/{kind}", data=values)
            group.attrs["weight_names"] = told
        root.attrs["layer_names"] = names
        root.attrs["backend"] = b"tensorflow"


def test_the_network_has_the_parameters_of_the_original() -> None:
    model = vgg_face()
    count = parameters(model)
    assert (count.total, count.trainable) == (145_002_878, 145_002_878)
    assert model.input_shape == (None, 224, 224, 3)
    assert model.output_shape == (None, 2622)
    layers = described_layers(model)
    kinds = [layer.kind for layer in layers]
    assert [kinds.count(kind) for kind in ("Conv2D", "ZeroPadding2D", "MaxPooling2D")] == [
        16,
        13,
        5,
    ]
    assert kinds[-7:] == [*("Conv2D", "Dropout") * 2, "Conv2D", "Flatten", "Activation"]
    assert [layer.parameters for layer in layers][0:2] == [0, 1792]


def test_the_command_prints_the_counts_of_the_transfer() -> None:
    """As in the ancestor: 22 people."""
    result = CliRunner().invoke(command, ["architecture", "vgg-face", "--classes", "22", "--json"])
    fields = json.loads(result.stdout)
    assert fields["parameters"] == 134_350_678
    assert fields["trainable_parameters"] == 90_134
    assert fields["frozen_parameters"] == 134_260_544
    assert fields["layers"][-3]["output"] == [1, 1, 22]


def test_one_person_is_no_task() -> None:
    with pytest.raises(InvalidValue, match="1 people can't be told apart"):
        transferred(vgg_face(TINY), classes=1)


def test_only_what_is_new_learns() -> None:
    small = VggShape(side_px=8, stages=((3, 1), (4, 1)), dense=6, classes=7)
    model = vgg_face(small, initial="he_normal")
    changed = transferred(model, classes=3)
    before = [weight.numpy().copy() for weight in model.layers[1].weights]
    pictures = np.random.default_rng(0).uniform(0, 1, (6, 8, 8, 3)).astype(np.float32)
    people = np.arange(6) % 3
    changed.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss="sparse_categorical_crossentropy",
        run_eagerly=True,
    )
    head = changed.get_layer("people").get_weights()[0].copy()
    changed.train_on_batch(pictures, people)
    assert np.abs(changed.get_layer("people").get_weights()[0] - head).max() > 0
    for weight, values in zip(model.layers[1].weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), values)


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_keras_2_are_read(tmp_path: Path, wrapped: bool) -> None:
    model = vgg_face(TINY)
    keras2_file(tmp_path / "w.h5", model, rng=np.random.default_rng(1), wrapped=wrapped)
    read_weights(model, tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        root = file["model_weights"] if wrapped else file
        kernel = np.array(root["fc7"]["fc7/kernel:0"])
    np.testing.assert_array_equal(model.get_layer("fc7").get_weights()[0], kernel)


def test_another_networks_weights_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    other = VggShape(side_px=32, stages=TINY.stages, dense=10, classes=7)
    keras2_file(tmp_path / "other.h5", vgg_face(other), rng=rng)
    model = vgg_face(TINY)
    with pytest.raises(PackError, match="layer 'fc6' has shapes"):
        read_weights(model, tmp_path / "other.h5")
    fewer = VggShape(side_px=32, stages=(*TINY.stages[:4], (8, 2)), dense=12, classes=7)
    keras2_file(tmp_path / "fewer.h5", vgg_face(fewer), rng=rng)
    with pytest.raises(PackError, match="holds 15 layers with weights, the network has 16"):
        read_weights(model, tmp_path / "fewer.h5")
    (tmp_path / "none.h5").write_bytes(b"rubbish" * 100)
    with pytest.raises(PackError, match="can't be read as weights of Keras"):
        read_weights(model, tmp_path / "none.h5")
    with pytest.raises(PackError, match="can't be read as weights of Keras"):
        read_weights(model, tmp_path / "missing.h5")


def test_as_onnx_it_gives_what_keras_gives(tmp_path: Path) -> None:
    import onnx

    from sightgrid.vision.onnx import Runtime, open_network
    from sightgrid.vision.vgg_face import convert_vgg_face

    model = vgg_face(TINY)
    keras2_file(tmp_path / "w.h5", model, rng=np.random.default_rng(3))
    read_weights(model, tmp_path / "w.h5")
    write_weights(model, tmp_path / "w.safetensors")
    convert_vgg_face(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert (
        onnx.load(tmp_path / "w.onnx").graph.input[0].type.tensor_type.shape.dim[2].dim_value == 32
    )

    pixels = np.random.default_rng(4).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    features = keras.Model(model.inputs, model.get_layer("fc7").output)
    mean = np.array([93.594, 104.7624, 129.1863], np.float32)
    theirs = features.predict(pixels - mean, verbose=0).reshape(3, -1)
    network = open_network(tmp_path / "w.onnx", runtime=Runtime.ONNXRUNTIME, threads=1)
    ours = network.run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))["embedding"]
    assert np.abs(theirs).max() > 1
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
