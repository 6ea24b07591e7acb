"""Turns FaceNet weights that you own into a pack folder:
``python tools/convert_facenet.py WEIGHTS.pt OUT``, then ``sightgrid models add OUT``.

Not part of sightgrid: a ``.pt`` file is a pickle, which could run any code when it is read. This
script reads it with PyTorch's weights-only loading, which refuses everything but tensors, and needs
``pip install torch`` in an environment of its own. It expects the state dict of Inception-ResNet-v1
(20180402-114759) and writes its tensors as safetensors, with a manifest.

Whether you may use the weights is between you and who made them: they were trained on VGGFace2,
whose terms ask for research use only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
from pathlib import Path

WEIGHTS = "facenet.safetensors"


def safetensors_bytes(tensors: dict[str, object]) -> bytes:
    """Tensors (PyTorch, any floating-point or integer kind) as the bytes of a safetensors file;
    integers, which only count the training's steps, are left out."""
    import torch

    header: dict[str, object] = {}
    parts: list[bytes] = []
    at = 0
    for name, tensor in sorted(tensors.items()):
        if not isinstance(tensor, torch.Tensor):
            raise SystemExit(f"error: '{name}' is no tensor")
        if not tensor.is_floating_point():
            continue
        values = tensor.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4")
        data = values.tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)
    return struct.pack("<Q", len(told)) + told + b"".join(parts)


def manifest(sha256: str) -> dict[str, object]:
    """A manifest to be completed: rights and thresholds are the owner's to fill in."""
    return {
        "name": "facenet",
        "version": "1",
        "title": "MTCNN and FaceNet (Inception-ResNet-v1, 20180402-114759)",
        "detector": {
            "kind": "mtcnn",
            "licence": "MIT",
            "origin": "extra mtcnn",
            "training_data": "WIDER FACE and CelebA",
        },
        "embedder": {
            "kind": "inception-resnet-v1",
            "file": WEIGHTS,
            "licence": "fill in",
            "origin": "fill in",
            "training_data": "fill in",
            "sha256": sha256,
            "input_px": 160,
            "colour_order": "RGB",
            "mean": 0.0,
            "scale": 1.0,
            "flip_average": False,
            "dimension": 512,
            "numeric_class": "fp32",
            "metric": "cosine",
            "framing": {
                "kind": "box",
                "margin_px": 32,
                "enrolled": {"margin_px": 44, "resized_px": 182},
            },
            "strength": {"middle": 0.0, "width": 1.0},
        },
        "thresholds": {
            # nobody is taken for anybody until this was measured: python -m benchmarks.calibration
            "impostors": [[0.5, 0.9], [1e-06, 0.999]],
            "measured_on": "not measured",
        },
    }


def main() -> None:
    """Reads, writes the folder, says what to do next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    import torch

    tensors = torch.load(chosen.weights, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict):
        raise SystemExit(f"error: {chosen.weights} holds no state dict")
    data = safetensors_bytes(tensors)
    chosen.out.mkdir(parents=True, exist_ok=False)
    (chosen.out / WEIGHTS).write_bytes(data)
    text = json.dumps(manifest(hashlib.sha256(data).hexdigest()), indent=1)
    (chosen.out / "manifest.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(
        f"{chosen.out}: fill in licence, origin and training_data in manifest.json, then: "
        f"sightgrid models add {chosen.out}\n"
    )


if __name__ == "__main__":
    main()
