"""A small transformer whose tokens are the eyes, the brows and the mouth, cut out by landmarks, and a CNN's filters.

Text 001 (Galagain, 2023) sketches it: patches of face parts in place of a grid's, a little enlarged, and, begun there
and not finished, a convolutional network beside them whose filters are patches that it finds by itself. The text gives
no sizes; the defaults are ours. From TransFER (Xue et al., ICCV 2021) come, as options, local attention over the
network's maps, one of whose branches is dropped in training, and the dropping of heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from fau.errors import FauError
from fau.landmarks import REGIONS
from fau.nets.encoder import Encoder
from fau.nets.output import Net, NetOutput
from fau.nets.patches import cut_patches, region_squares

CHANNELS = (32, 64, 128)  # of the convolutional network's blocks before the last, whose channels are the filters
SMOOTH_TO = 128  # px; eyes and mouths of larger faces shrink by more than bilinear sampling bears


@dataclass
class PatchOutput(NetOutput):
    """The result of the landmark-patch transformer.

    Attributes:
        importance: (B, T), share of each token in the class token by attention rollout, float32, summing to 1: first
            the face parts in the order of ``fau.landmarks.REGIONS``, then the filters.
        squares: (B, 5, 3), centre and side in pixels of each face part's patch; NaN where it is not known.
    """

    importance: Tensor = field(kw_only=True)
    squares: Tensor = field(kw_only=True)


class LocalAttention(nn.Module):
    """TransFER's local attention: two small branches say where to look; in training one of them may be dropped.

    Args:
        channels: Channels of the map.
        drop: Probability that one branch of a sample is dropped; the paper's is 0.6.
    """

    def __init__(self, channels: int, drop: float) -> None:
        super().__init__()
        hidden = max(channels // 16, 1)
        self.drop = drop
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, hidden, 1),
                nn.BatchNorm2d(hidden),
                nn.ReLU(inplace=True),
                nn.Conv2d(hidden, 1, 1),
                nn.Sigmoid(),
            )
            for _ in range(2)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Weigh a map (B, C, H, W) by the greater of what its branches say."""
        weights = torch.cat([branch(features) for branch in self.branches], dim=1)  # (B, 2, H, W)
        if self.training and self.drop > 0:
            batch, device = len(features), features.device
            drawn = torch.rand(batch, 1, device=device) < self.drop
            dropped = drawn & (torch.arange(2, device=device) == torch.randint(2, (batch, 1), device=device))
            weights = weights * ~dropped[:, :, None, None]
        return features * weights.amax(dim=1, keepdim=True)


class LandmarkTransformer(Net):
    """Tokens of the eyes, the brows and the mouth, and of a CNN's filters, under a transformer's encoder.

    Args:
        num_outputs: Labels.
        input_size: Side of the image in pixels.
        landmarks: Set that the patches are placed by: ``478``, ``68`` or ``49``; the data must serve it.
        patch: Side of a patch in pixels.
        margin: What a patch shows around its part on each side, as a share of the part's larger side.
        width: Channels of a token.
        layers: Layers of the encoder.
        heads: Heads of each layer; they divide the width.
        dropout: Of tokens and of what each layer adds.
        filters: Tokens of the convolutional network beside the patches; 0 leaves it out.
        local_attention: Weigh that network's maps by TransFER's local attention.
        drop_branch: Probability in training that one of its two branches is dropped; TransFER's is 0.6.
        drop_head: Probability in training that one head of a layer is silent for a sample; TransFER's is 0.3.

    Raises:
        FauError: If settings contradict each other.
    """

    __call__: Callable[..., PatchOutput]

    def __init__(
        self,
        num_outputs: int,
        input_size: int = 112,
        landmarks: Literal["49", "68", "478"] = "68",
        patch: int = 32,
        margin: float = 0.25,
        width: int = 256,
        layers: int = 4,
        heads: int = 8,
        dropout: float = 0.1,
        filters: int = 16,
        local_attention: bool = False,
        drop_branch: float = 0.6,
        drop_head: float = 0.0,
    ) -> None:
        super().__init__(num_outputs, input_size)
        if min(patch, width, layers, heads) < 1 or width % heads:
            raise FauError(
                f"LandmarkTransformer needs patch, width, layers and heads of 1 or more and heads that divide the "
                f"width, not {patch}, {width}, {layers} and {heads}"
            )
        if filters < 0 or margin < 0:
            raise FauError(f"LandmarkTransformer needs filters and margin of 0 or more, not {filters} and {margin}")
        for name, share in (("dropout", dropout), ("drop_branch", drop_branch), ("drop_head", drop_head)):
            if not 0 <= share < 1:
                raise FauError(f"LandmarkTransformer needs a {name} from 0 to below 1, not {share}")
        if local_attention and not filters:
            raise FauError("local_attention of LandmarkTransformer weighs the filters' maps; set filters above 0")
        side = input_size // 2 ** (len(CHANNELS) + 1)
        if filters and side < 1:
            raise FauError(
                f"LandmarkTransformer needs images of {2 ** (len(CHANNELS) + 1)} px or more for its filters, "
                f"not {input_size}"
            )
        self.landmarks = landmarks
        self.patch, self.margin = patch, margin
        self.samples = 1 if input_size <= SMOOTH_TO else 2
        values = 3 * patch * patch
        self.embed = nn.Parameter(torch.empty(len(REGIONS), values, width))  # a linear layer of its own for each part
        nn.init.trunc_normal_(self.embed, std=values**-0.5)
        self.place = nn.Parameter(torch.zeros(len(REGIONS) + filters, width))
        nn.init.trunc_normal_(self.place, std=0.02)
        self.convolutions = _convolutions(filters, local_attention, drop_branch) if filters else None
        self.embed_filter = nn.Linear(side * side, width) if filters else None
        self.drop = nn.Dropout(dropout)
        self.encoder = Encoder(width, layers, heads, dropout, drop_head)
        self.classify = nn.Linear(width, num_outputs)

    def forward(self, image: Tensor, points: Tensor | None = None) -> PatchOutput:
        """Score a batch.

        Args:
            image: (B, 3, H, W), normalised; H and W the network's input size where it has filters.
            points: (B, K, 2), landmarks in pixels of the image, NaN where not known: a part with a point that is not
                known has no token.

        Raises:
            FauError: If there are no points, or the images are of another size.
        """
        if points is None:
            raise FauError(f"LandmarkTransformer cuts its patches by landmarks; give it the set {self.landmarks}")
        if image.shape[2:] != (self.input_size, self.input_size):
            size = tuple(image.shape[2:])
            raise FauError(f"LandmarkTransformer is made for {self.input_size} px, not {size}; set net.input_size")
        squares = region_squares(points, self.landmarks or "68", self.margin)
        patches = cut_patches(image, squares, self.patch, self.samples).flatten(2)
        tokens = torch.einsum("brv,rvc->brc", patches, self.embed)
        known = torch.isfinite(squares).all(dim=2)
        if self.convolutions is not None and self.embed_filter is not None:
            found = self.embed_filter(self.convolutions(image).flatten(2))
            tokens = torch.cat([tokens, found.to(tokens.dtype)], dim=1)
            known = torch.cat([known, known.new_ones(found.shape[:2])], dim=1)
        first, importance = self.encoder(self.drop(tokens + self.place), known)
        return PatchOutput(self.classify(first), importance=importance, squares=squares.detach())


def _convolutions(filters: int, local_attention: bool, drop_branch: float) -> nn.Sequential:
    """Return four blocks that halve the side; the channels of the last are the filters."""
    widths = (3, *CHANNELS, filters)
    blocks: list[nn.Module] = [_block(*pair) for pair in pairwise(widths)]
    if local_attention:
        blocks.insert(-1, LocalAttention(CHANNELS[-1], drop_branch))
    return nn.Sequential(*blocks)


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )
