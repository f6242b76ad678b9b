"""JAA-Net, versions 1 and 2: action units and 49 landmarks learned together, attention drawn from the landmarks.

Shao et al., "Deep Adaptive Attention for Joint Facial Action Unit Detection and Face Alignment" (ECCV 2018, version 1)
and "JAA-Net" (IJCV 2020, version 2). Followed is the authors' PyTorch code. Its two scores an AU under a softmax are
given as their difference, of which the sigmoid is the same probability. Parts are in ``jaanet_parts``, maps in
``au_maps``, the import of the authors' checkpoints in ``jaanet_weights``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.labels import LABEL_SETS
from fau.nets.au_maps import Centres, square_maps
from fau.nets.jaanet_parts import GRIDS, MARGIN, REDUCTION, GroupedLinear, RegionLayer, extractor, refinement
from fau.nets.jaanet_weights import load_weights
from fau.nets.output import Net, NetOutput

LANDMARKS = 49
WINDOW = 0.14  # side of an AU's square, as a share of the map's
FALL = 0.56  # what a map falls by over that side
# The authors' AUs by their number: BP4D's, GFT's, DISFA's.
PUBLISHED = {12: LABEL_SETS["bp4d12"], 10: (1, 2, 4, 6, 10, 12, 14, 15, 23, 24), 8: LABEL_SETS["disfa8"]}


@dataclass
class JAAOutput(NetOutput):
    """The result of JAA-Net.

    Attributes:
        local_logits: (B, N), of the heads of the AUs' own branches (version 2), else None.
        landmarks: (B, 49, 2), x and y in pixels of the network's input; float32 at least.
        initial_maps: (B, N, M + 8, M + 8), drawn from the landmarks, no gradient; M is a quarter of the input's side.
        maps: (B, N, M, M), refined, 0..1.
    """

    local_logits: Tensor | None = None
    landmarks: Tensor = field(kw_only=True)
    initial_maps: Tensor = field(kw_only=True)
    maps: Tensor = field(kw_only=True)


class JAANet(Net):
    """JAA-Net: a region-wise trunk, landmarks from it, a branch per AU at the places they give, one global branch.

    Args:
        num_outputs: AUs.
        version: 1 (ECCV 2018) or 2 (IJCV 2020): heads on the AUs' own branches, which learn from their loss alone.
        aus: The AUs by number, in the order of the outputs: they say where each map is drawn. None leaves it to the
            training module, which knows the label set, or to ``use_aus``.
        input_size: Side of the image in pixels, a multiple of 16 from 32 on; the authors' is 176, out of crops of 200.
        unit: d, the unit of widths.
        weights: Weights of this network to start from: a folder with the authors' six files, or a checkpoint of a run.
            Loading is strict.

    Raises:
        FauError: If the AUs do not fit the outputs or have no place, the size does not divide, or weights do not fit.
    """

    centres: Centres | None

    def __init__(
        self,
        num_outputs: int,
        version: Literal[1, 2] = 2,
        aus: tuple[int, ...] | None = None,
        input_size: int = 176,
        unit: int = 8,
        weights: str | None = None,
    ) -> None:
        super().__init__(num_outputs, input_size)
        if version not in (1, 2):
            raise FauError(f"JAANet has versions 1 and 2, not {version}")
        if unit < 1:
            raise FauError(f"JAANet needs a unit of 1 or more, not {unit}")
        step = 2 * GRIDS[0]  # the second region layer splits half the side
        if input_size % step or input_size < 2 * step:
            raise FauError(f"JAANet needs an input_size of {2 * step} or more that {step} divides, not {input_size}")
        self.version = version
        self.centres = None
        if aus is not None:
            self.use_aus(aus)
        channels = 8 * unit
        self.region = nn.Sequential(
            RegionLayer(3, channels // 2), nn.MaxPool2d(2), RegionLayer(channels // 2, channels), nn.MaxPool2d(2)
        )
        side = input_size // REDUCTION // 2 // 2 // 2
        flat = 20 * unit * side * side
        self.align = extractor(channels, unit)
        self.landmark_head = nn.Sequential(nn.Linear(flat, 64 * unit), nn.Linear(64 * unit, 2 * LANDMARKS))
        self.refine = refinement(unit, num_outputs)
        self.local = extractor(channels, unit, num_outputs)
        self.local_head = (
            nn.Sequential(GroupedLinear(flat, 8 * unit, num_outputs), GroupedLinear(8 * unit, 2, num_outputs))
            if version == 2
            else None
        )
        self.whole = extractor(channels, unit)
        self.head = nn.Sequential(nn.Linear(3 * flat, 64 * unit), nn.Linear(64 * unit, 2 * num_outputs))
        self.weights = weights
        if weights is not None:
            load_weights(self, weights)

    def use_aus(self, aus: Sequence[int]) -> None:
        """Say which AU each output is.

        Raises:
            FauError: If their number is not that of the outputs, or one has no place on the face.
        """
        if len(aus) != self.num_outputs:
            raise FauError(f"JAANet has {self.num_outputs} outputs, and aus names {len(aus)}; name one for each")
        self.centres = Centres(aus).to(next((value.device for value in self.parameters()), None))

    def initial_maps(self, landmarks: Tensor) -> Tensor:
        """Draw the maps of attention (B, N, M + 8, M + 8) for landmarks (B, 49, 2) in pixels of the input.

        Raises:
            FauError: If nobody said which AUs the outputs are.
        """
        if self.centres is None:
            raise FauError(
                f"JAANet does not know the AUs of its {self.num_outputs} outputs; set aus, or train by JAADetection"
            )
        size = self.input_size // REDUCTION + MARGIN
        centres = self.centres(landmarks.detach()) * (size / self.input_size)
        return square_maps(centres, size, round((size - 1) / 2 * WINDOW), FALL / (size * WINDOW))

    def forward(self, image: Tensor) -> JAAOutput:
        """Score a batch (B, 3, H, W), H and W the network's input size, and find its landmarks.

        Raises:
            FauError: If the images are of another size.
        """
        if image.shape[2:] != (self.input_size, self.input_size):
            raise FauError(f"JAANet is made for {self.input_size} px, not {tuple(image.shape[2:])}; set net.input_size")
        features: Tensor = self.region(image)
        aligned: Tensor = self.align(features)
        with torch.autocast(image.device.type, enabled=False):  # half precision would round to whole pixels
            wide = aligned.flatten(1).to(next(self.landmark_head.parameters()).dtype)
            landmarks = self.landmark_head(wide).unflatten(1, (LANDMARKS, 2))
        initial = self.initial_maps(landmarks)
        maps: Tensor = self.refine(initial)
        attended = features.unsqueeze(1) * maps.unsqueeze(2)
        local = self.local(attended.flatten(1, 2)).unflatten(1, (self.num_outputs, -1))
        mean = local.mean(dim=1)
        local_logits = None
        if self.local_head is not None:
            scores = self.local_head(local.flatten(2))
            local_logits = scores[..., 1] - scores[..., 0]
            mean = mean.detach()
        joined = torch.cat([aligned, self.whole(features), mean], dim=1).flatten(1)
        absent, present = self.head(joined).chunk(2, dim=1)
        return JAAOutput(
            present - absent, local_logits=local_logits, landmarks=landmarks, initial_maps=initial, maps=maps
        )
