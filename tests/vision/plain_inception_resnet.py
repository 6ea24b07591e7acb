"""Inception-ResNet-v1 in PyTorch's own layers, nothing folded: what ours is compared with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as layers

from sightgrid.domain.geometry import Floats


def plain_embedding(weights: dict[str, Floats], pixels: Floats) -> Floats:
    """Unit vectors (N, 512) of RGB pixels 0-255 (N, 3, 160, 160), prewhitened one by one."""
    known = {name: torch.from_numpy(value) for name, value in weights.items()}
    whitened = np.stack([(p - p.mean()) / max(p.std(), 1 / np.sqrt(p.size)) for p in pixels])

    def normalised(x: Tensor, name: str) -> Tensor:
        parts = (known[f"{name}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return layers.batch_norm(x, *parts, training=False, eps=0.001)

    def conv(x: Tensor, name: str, stride: int = 1, pad: int | tuple[int, int] = 0) -> Tensor:
        x = layers.conv2d(x, known[f"{name}.conv.weight"], stride=stride, padding=pad)
        return layers.relu(normalised(x, f"{name}.bn"))

    def added(x: Tensor, branches: list[Tensor], name: str, scale: float) -> Tensor:
        weight, bias = known[f"{name}.conv2d.weight"], known[f"{name}.conv2d.bias"]
        return x + scale * layers.conv2d(torch.cat(branches, 1), weight, bias)

    def block35(x: Tensor, n: str) -> Tensor:
        b1 = conv(conv(x, f"{n}.branch1.0"), f"{n}.branch1.1", pad=1)
        b2 = conv(conv(x, f"{n}.branch2.0"), f"{n}.branch2.1", pad=1)
        b2 = conv(b2, f"{n}.branch2.2", pad=1)
        return layers.relu(added(x, [conv(x, f"{n}.branch0"), b1, b2], n, 0.17))

    def crossed(x: Tensor, n: str, reach: int, scale: float) -> Tensor:
        b1 = conv(conv(x, f"{n}.branch1.0"), f"{n}.branch1.1", pad=(0, reach))
        b1 = conv(b1, f"{n}.branch1.2", pad=(reach, 0))
        return added(x, [conv(x, f"{n}.branch0"), b1], n, scale)

    x = torch.from_numpy(whitened.astype(np.float32))
    with torch.inference_mode():
        x = conv(x, "conv2d_1a", stride=2)
        x = conv(conv(x, "conv2d_2a"), "conv2d_2b", pad=1)
        x = conv(layers.max_pool2d(x, 3, stride=2), "conv2d_3b")
        x = conv(conv(x, "conv2d_4a"), "conv2d_4b", stride=2)
        for number in range(5):
            x = block35(x, f"repeat_1.{number}")
        b1 = conv(conv(x, "mixed_6a.branch1.0"), "mixed_6a.branch1.1", pad=1)
        b1 = conv(b1, "mixed_6a.branch1.2", stride=2)
        x = torch.cat([conv(x, "mixed_6a.branch0", 2), b1, layers.max_pool2d(x, 3, stride=2)], 1)
        for number in range(10):
            x = layers.relu(crossed(x, f"repeat_2.{number}", 3, 0.10))
        b0 = conv(conv(x, "mixed_7a.branch0.0"), "mixed_7a.branch0.1", stride=2)
        b1 = conv(conv(x, "mixed_7a.branch1.0"), "mixed_7a.branch1.1", stride=2)
        b2 = conv(conv(x, "mixed_7a.branch2.0"), "mixed_7a.branch2.1", pad=1)
        b2 = conv(b2, "mixed_7a.branch2.2", stride=2)
        x = torch.cat([b0, b1, b2, layers.max_pool2d(x, 3, stride=2)], 1)
        for number in range(5):
            x = layers.relu(crossed(x, f"repeat_3.{number}", 1, 0.20))
        x = crossed(x, "block8", 1, 1.0)
        x = normalised(x.mean(dim=(2, 3)) @ known["last_linear.weight"].T, "last_bn")
        return layers.normalize(x, p=2, dim=1).numpy()
