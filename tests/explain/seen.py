"""Networks and faces of which it is known where one looks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from fau.explain.faces import Faces
from fau.modules.detection import AUDetection
from fau.nets.output import Net, NetOutput

SIZE = 32
CELLS = 4  # of the map, along a side
CORNER = (0, 3)  # row and column of the cell that the network looks at


class OneCell(nn.Module):
    """A map that is 0 but in one cell, where it is the mean of the image's first channel there."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        cells = nn.functional.adaptive_avg_pool2d(image[:, :1] + 2, CELLS) * self.scale
        only = torch.zeros_like(cells)
        only[..., CORNER[0], CORNER[1]] = cells[..., CORNER[0], CORNER[1]]
        return only


class CornerNet(Net):
    """Scores labels by the upper right corner alone: label 0 for it, label 1 against it; the rest is constant."""

    def __init__(self, num_outputs: int, input_size: int = SIZE, own: str = "none") -> None:
        super().__init__(num_outputs, input_size)
        self.look = OneCell()
        self.own = own

    def forward(self, image: Tensor) -> NetOutput:
        cells = self.look(image)
        logits = torch.zeros(len(image), self.num_outputs).index_fill(1, torch.tensor([1]), -1.0)
        logits = logits.index_fill(1, torch.tensor([0]), 1.0) * cells.sum(dim=(1, 2, 3)).unsqueeze(1)
        there = (cells[:, 0] > 0).float()
        own = {"none": None, "one": there, "each": there.unsqueeze(1).repeat(1, self.num_outputs, 1, 1)}[self.own]
        return NetOutput(logits, own)


def module(own: str = "none", labels: str = "1,2,12", **settings: object) -> AUDetection:
    return AUDetection(labels, net=lambda num_outputs: CornerNet(num_outputs, own=own), **settings)  # type: ignore[arg-type]


def random_faces(number: int = 3, size: int = SIZE, seed: int = 0) -> Faces:
    """Noise with 49 points at random places."""
    random = np.random.default_rng(seed)
    crops = random.integers(0, 256, (number, size, size, 3), np.uint8)
    points = random.uniform(0, size - 1, (number, 49, 2)).astype(np.float32)
    names = [f"face {i}" for i in range(number)]
    return Faces(crops, points, "49", np.array([f"s{i % 2}" for i in range(number)]), names)
