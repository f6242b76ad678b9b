"""Where action units are on a face, and maps of attention around there: for networks that look at places.

A rule names two landmarks and how far below them the AU's centres lie, in distances of the inner eye corners: those of
JAA-Net (Shao et al., ECCV 2018; IJCV 2020), and those of EAC-Net (Li et al., FG 2017; TPAMI 2018), their ancestors.
All their landmarks are among the 49, and so among the 66 and the 68.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fau.errors import FauError

LEVEL = math.inf  # the ruler over infinity: no offset
INNER_EYE_CORNERS = (22, 25)  # of the 49 landmarks

# AU: two of the 49 landmarks, and the divisor of the ruler that moves both centres down (up where negative). A factor
# would round otherwise than the authors' quotient, and could put a centre into the next cell.
RULES_49: dict[int, tuple[int, int, float]] = {
    1: (4, 5, -2),
    2: (1, 8, -3),
    4: (2, 7, 3),
    6: (24, 29, 1),
    7: (21, 26, LEVEL),
    9: (15, 17, -2),
    10: (43, 45, LEVEL),
    12: (31, 37, LEVEL),
    14: (31, 37, LEVEL),
    15: (31, 37, LEVEL),
    17: (39, 41, 2),
    23: (34, 40, LEVEL),
    24: (34, 40, LEVEL),
    25: (34, 40, LEVEL),
    26: (39, 41, 2),
}
# Ours, for AUs that the authors do not train: as the published AU of the same muscle's place.
RULES_49 |= {
    **dict.fromkeys((5, 43, 45), RULES_49[7]),
    20: RULES_49[12],
    **dict.fromkeys((18, 22, 28), RULES_49[23]),
    27: RULES_49[26],
}
# EAC-Net's differ on the mouth. Of its ten regions the authors' comments name no AU for 34 and 40, where lips part.
EAC_RULES_49: dict[int, tuple[int, int, float]] = RULES_49 | {
    10: (32, 36, LEVEL),
    **dict.fromkeys((18, 22, 23, 24, 28), (43, 45, LEVEL)),
}


class Centres(nn.Module):
    """The two centres of each AU from 49 landmarks.

    Args:
        aus: AUs, in the order of the maps.
        rules: For each AU two of the 49 landmarks, and the divisor of the ruler that moves both centres down.

    Raises:
        FauError: If an AU has no rule.
    """

    points: Tensor
    divisor: Tensor

    def __init__(self, aus: Sequence[int], rules: Mapping[int, tuple[int, int, float]] = RULES_49) -> None:
        super().__init__()
        without = [au for au in aus if au not in rules]
        if without:
            raise FauError(
                f"AU {', '.join(map(str, without))} has no place on the face; "
                f"choose among {', '.join(map(str, sorted(rules)))}"
            )
        chosen = [rules[au] for au in aus]
        self.register_buffer("points", torch.tensor([rule[:2] for rule in chosen]).view(-1, 2), persistent=False)
        self.register_buffer("divisor", torch.tensor([float(rule[2]) for rule in chosen]), persistent=False)

    def forward(self, landmarks: Tensor) -> Tensor:
        """Return centres (B, N, 2, 2) as x, y from landmarks (B, 49, 2), in their unit."""
        left, right = INNER_EYE_CORNERS
        ruler = (landmarks[:, left, 0] - landmarks[:, right, 0]).abs()
        down = (ruler.unsqueeze(1) / self.divisor.to(landmarks)).unsqueeze(2)
        centres = landmarks[:, self.points]
        return torch.stack([centres[..., 0], centres[..., 1] + down], dim=-1)


def square_maps(centres: Tensor, size: int, half: int, slope: float) -> Tensor:
    """Draw a falling square around each AU's centres, without a gradient: 1 in the centre's cell, less by L1 distance.

    As in the authors' code, a window beyond the border leaves its nearest row or column, which is drawn by its distance
    to the centre. A centre that is not finite is not drawn.

    Args:
        centres: (B, N, K, 2), x and y in cells; rounded here, halves to the even cell.
        size: Side of a map.
        half: Half side of the window: cells up to so far from the centre's along each axis.
        slope: What a map falls by per cell of L1 distance.

    Returns:
        (B, N, size, size), the greatest of an AU's squares, 0 elsewhere; float32 at least.
    """
    with torch.no_grad():
        centres = centres.detach().to(torch.promote_types(centres.dtype, torch.float32)).round()
        cells = torch.arange(size, device=centres.device, dtype=centres.dtype)
        least = (centres - half).clamp(0, size - 1).unsqueeze(-1)
        most = (centres + half).clamp(0, size - 1).unsqueeze(-1)
        inside = (cells >= least) & (cells <= most)  # (B, N, K, 2, size)
        distance = torch.where(inside, (cells - centres.unsqueeze(-1)).abs(), torch.inf)
        across, down = distance.unbind(dim=3)
        nearest = (down.unsqueeze(-1) + across.unsqueeze(-2)).amin(dim=2)
        return (1 - slope * nearest).clamp(min=0)
