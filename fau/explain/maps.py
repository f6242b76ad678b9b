"""Maps of what a network looks at, by method: which a network can give, and how each is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fau.errors import FauError
from fau.explain import cam, transformer
from fau.explain.faces import Faces, batches
from fau.modules.base import FaceModule
from fau.nets.landmark_transformer import PatchOutput
from fau.nets.output import NetOutput

# What each method shows, as a heading.
METHODS: Final = {
    "attention": "The network's own attention",
    "cam": "Class-activation maps",
    "rollout": "Attention of the transformer, rolled out",
    "heads": "Attention of the last block, head by head",
}


@dataclass(frozen=True)
class Maps:
    """Maps of n faces over the network's input, at the resolution at which the network has them.

    Attributes:
        method: A key of ``METHODS``.
        values: float32 (n, N, h, w), not negative: N is the number of labels, of heads, or 1 for one map of all labels.
        layer: The layer that they are of, where that was chosen here.
    """

    method: str
    values: NDArray[np.float32]
    layer: str = ""

    def of_label(self, label: int) -> NDArray[np.float32]:
        """Return the maps of a label, (n, h, w)."""
        return self.values[:, label if self.values.shape[1] > 1 else 0]

    def density(self, size: int) -> NDArray[np.float32]:
        """Return the maps at ``size`` px, as multiples of what an even spread would give: (n, N, size, size), mean 1.

        Bilinear between the cells' centres. A map that is 0 everywhere says nothing and becomes NaN.
        """
        fine = functional.interpolate(torch.from_numpy(self.values), size=(size, size), mode="bilinear")
        mean = fine.mean(dim=(2, 3), keepdim=True)
        return np.asarray(torch.where(mean > 0, fine / mean, torch.nan).numpy())


def cell_profiles(cells: int, size: int) -> NDArray[np.float64]:
    """Return how far each cell of an axis reaches over its pixels when a map is enlarged, (size, cells).

    Args:
        cells: Of the map.
        size: In pixels.
    """
    one = torch.eye(cells, dtype=torch.float64).unsqueeze(0)  # (1, channel = which cell, position)
    return np.asarray(functional.interpolate(one, size=size, mode="linear")[0].T.numpy())


@contextmanager
def looking(module: FaceModule) -> Iterator[None]:
    """Put a module into evaluation, and back into what it was: a training that is looked at goes on as it would."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def own_maps(output: NetOutput, size: int) -> Tensor | None:
    """Return the maps that a network gives by itself, (B, N, h, w), N 1 or one a label; None where it gives none.

    They are the output's ``attention``, (B, h, w) or (B, N, h, w), or else its ``maps``, (B, N, h, w). Where a network
    weighs patches, as the landmark transformer does, the weight of each is spread over its square.

    Args:
        output: The result of a forward pass.
        size: Side of the network's input.
    """
    if isinstance(output, PatchOutput):
        return _painted(output, size)
    for value in (output.attention, getattr(output, "maps", None)):
        if isinstance(value, Tensor):
            return value.unsqueeze(1) if value.ndim == 3 else value
    return None


def _painted(output: PatchOutput, size: int) -> Tensor:
    """Return the importance of each patch spread over its square, (B, 1, size, size); other tokens have no place."""
    squares = output.squares.float()
    cells = torch.arange(size, device=squares.device)
    middle, half = squares[..., :2, None], squares[..., 2, None, None] / 2
    across, down = ((cells - middle).abs() <= half).unbind(dim=2)  # (B, R, size); False where a square is not known
    inside = down.unsqueeze(3) & across.unsqueeze(2)
    weight = output.importance[:, : squares.shape[1]].float() / inside.sum(dim=(2, 3)).clamp(min=1)
    return (weight[:, :, None, None] * inside).sum(dim=1, keepdim=True)


def methods(module: FaceModule, faces: Faces) -> list[str]:
    """Return the methods that a network's look can be shown by, those first that are its own.

    Class-activation maps are left out where the network gives a map a label by itself, though they can be asked for.
    """
    with looking(module), torch.no_grad():
        image, more = next(batches(module, faces.take([0])))
        own = own_maps(module.net(image, *more), image.shape[-1])
        tokens = transformer.layers(module.net, image, more)
    found = ["attention"] if own is not None else []
    if tokens:
        found += ["rollout", "heads"]
    if own is None or own.shape[1] == 1:
        found.append("cam")
    return found


def make_maps(module: FaceModule, faces: Faces, method: str, labels: Sequence[int]) -> Maps:
    """Make the maps of some faces.

    Args:
        module: The trained module; its mode is left as it was.
        faces: The faces.
        method: A key of ``METHODS``.
        labels: Positions of the labels that class-activation maps are made of; the others' are 0.

    Raises:
        FauError: If the network has no such maps, or the library for them is missing.
    """
    made: list[Tensor] = []
    layer = ""
    with looking(module):
        for image, more in batches(module, faces):
            if method == "cam":
                values, layer = cam.class_activation(module.net, image, more, labels)
            elif method in ("rollout", "heads"):
                with torch.no_grad():
                    values = getattr(transformer, method)(module.net, image, more)
            else:
                with torch.no_grad():
                    own = own_maps(module.net(image, *more), image.shape[-1])
                if own is None:
                    raise FauError(f"{type(module.net).__name__} gives no attention of its own; choose the method cam")
                values = own
            made.append(values.detach().float().clamp(min=0).cpu())
    return Maps(method, np.asarray(torch.cat(made).numpy(), np.float32), layer)
