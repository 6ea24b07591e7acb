"""Turns VGG-Face weights that you own into a pack folder:
``python tools/convert_vgg_face.py WEIGHTS.h5 OUT``, then ``sightgrid models add OUT``.

Needs sightgrid with the extra ``vggface``. WEIGHTS.h5 is a file of the layout of the public
``vgg-face-keras.h5``: HDF5 as Keras 2 saves weights, numbers only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from sightgrid.domain.errors import SightgridError
from sightgrid.recognition.training.vgg_face import read_weights, vgg_face, write_weights

WEIGHTS = "vgg-face.safetensors"


def manifest(sha256: str) -> dict[str, object]:
    """A manifest to be completed: rights and thresholds are the owner's to fill in."""
    return {
        "name": "vgg-face",
        "version": "1",
        "title": "MTCNN and VGG-Face",
        "detector": {
            "kind": "mtcnn",
            "licence": "MIT",
            "origin": "extra mtcnn",
            "training_data": "WIDER FACE and CelebA",
        },
        "embedder": {
            "kind": "vgg-face",
            "file": WEIGHTS,
            "licence": "fill in",
            "origin": "fill in",
            "training_data": "fill in",
            "sha256": sha256,
            "input_px": 224,
            "colour_order": "BGR",
            "mean": 0.0,
            "scale": 1.0,
            "flip_average": False,
            "dimension": 4096,
            "numeric_class": "fp32",
            "metric": "cosine",
            "template": [[83, 92], [141, 92], [112, 125], [88, 158], [136, 158]],
            "strength": {"middle": 0.0, "width": 1.0},
        },
        "thresholds": {
            # nobody is taken for anybody until this was measured: python -m benchmarks.calibration
            "impostors": [[0.5, 0.9], [1e-06, 0.999]],
            "measured_on": "not measured",
        },
    }


def main() -> int:
    """Reads, writes the folder, says what to do next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True)
    try:
        model = vgg_face()
        read_weights(model, chosen.weights)
        write_weights(model, chosen.out / WEIGHTS)
    except SightgridError as error:
        chosen.out.rmdir()
        sys.stderr.write(f"error: {error}\n")
        return 1
    with (chosen.out / WEIGHTS).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    text = json.dumps(manifest(digest), indent=1)
    (chosen.out / "manifest.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(
        f"{chosen.out}: fill in licence, origin and training_data in manifest.json, then: "
        f"sightgrid models add {chosen.out}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
