"""EAC-Net: a VGG whose middle layers are enhanced around the places of action units, and crops of those places.

Li et al., "EAC-Net: A Region-based Deep Enhancing and Cropping Approach for Facial Action Unit Detection" (FG 2017) and
"EAC-Net: Deep Nets with Enhancing and Cropping for Facial Action Unit Detection" (TPAMI 2018). Layers and constants are
those of the authors' Theano code. Left out are its faults near borders, where regions vanish or wrap around, and its
windows of one cell more to the left than to the right. Parts are in ``eacnet_parts``, places in ``au_maps``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.nets.au_maps import EAC_RULES_49, Centres, square_maps
from fau.nets.eacnet_parts import STAGES, CropNet, glorot, vgg_stages, whole_face
from fau.nets.output import Net, NetOutput
from fau.nets.weight_files import listed, network_part, read_state, tested_checkpoint

FRAME = 100  # side of the attention map in cells, whatever the image's
REGIONS = (1, 2, 4, 6, 7, 10, 12, 25, 23, 17)  # the authors' ten, by an AU of each place, in their order
ENHANCED = (2, 3)  # stages: conv3 and conv4
CROPPED = 3  # the stage whose output is cropped
FROZEN = 2  # the authors' stages that keep their weights
VARIANTS = ("vgg", "enet", "cnet", "eacnet")
Variant = Literal["vgg", "enet", "cnet", "eacnet"]


@dataclass
class EACOutput(NetOutput):
    """The result of EAC-Net.

    Attributes:
        maps: (B, N, 100, 100), where the network looks for each AU: its region of the attention map, or the whole map
            where it has none; 0..1, no gradient. None of the variant ``vgg``.
    """

    maps: Tensor | None = None


class EACNet(Net):
    """EAC-Net and its parts, on the 49 landmarks that the image comes with.

    Args:
        num_outputs: AUs.
        variant: ``eacnet`` joins both branches; ``enet`` has the enhanced VGG alone, ``cnet`` the crops from the
            enhanced VGG alone, as the authors' code; ``vgg`` neither, and needs no landmarks.
        trunk: A VGG of timm, such as ``vgg19``; ``vgg11_bn`` is small and learns from random weights.
        pretrained: False for random weights, True for timm's own from the hub, or the path of a file with them.
        frozen: Stages of the VGG, 0..5, that keep their weights. None does as the authors: all of a C-Net that starts
            from ``weights``, two of what else starts from weights; and none of what starts at random.
        aus: The AUs by number, in the order of the outputs, for the maps of the output. None leaves it to the training
            module, which knows the label set, or to ``use_aus``.
        regions: AUs at whose places the network looks, for all AUs together; the default are the authors' ten.
        slope: What the attention map falls by per cell of its 100 x 100: 0.095 in the paper, 0.07 in the code.
        window: Half side of a region in cells: 5 with the paper's slope, 7 with the code's.
        input_size: Side of the image in pixels, a multiple of 32.
        divisor: What all widths are divided by; 1 has the published ones.
        caffe_pixels: Feed pixels as blue, green, red and 0..255, as the authors do with Caffe's VGG-19.
        weights: Weights of this network to start from: a checkpoint of a run, or a run's folder. Of another variant,
            such as an E-Net for C-Net, the parts that both have; ``carried_over`` names them.

    Raises:
        FauError: If a setting cannot work, a region has no place on the face, or weights do not fit.
    """

    places: Tensor

    def __init__(
        self,
        num_outputs: int,
        variant: Variant = "eacnet",
        trunk: str = "vgg19",
        pretrained: bool | str = False,
        frozen: int | None = None,
        aus: tuple[int, ...] | None = None,
        regions: tuple[int, ...] = REGIONS,
        slope: float = 0.095,
        window: int = 5,
        input_size: int = 224,
        divisor: int = 1,
        caffe_pixels: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__(num_outputs, input_size)
        starts = bool(pretrained) or weights is not None
        if frozen is None:
            frozen = (STAGES if variant == "cnet" and weights is not None else FROZEN) if starts else 0
        _check(variant, regions, slope, window, input_size, divisor, pretrained)
        if not 0 <= frozen <= STAGES:
            raise FauError(f"EACNet has {STAGES} stages, so frozen is 0..{STAGES}, not {frozen}")
        if frozen and not starts:
            raise FauError(
                f"EACNet would freeze {frozen} stages of random weights; set pretrained or weights, or frozen to 0"
            )
        self.variant = variant
        self.landmarks = None if variant == "vgg" else "49"
        self.regions, self.slope, self.window = tuple(regions), slope, window
        self.caffe_pixels = caffe_pixels

        stages, widths, pixels = vgg_stages(trunk, pretrained, divisor)
        self.mean, self.std = ((0.0,) * 3, (1 / 255,) * 3) if caffe_pixels else pixels
        self.trunk = stages if variant != "cnet" else stages[: STAGES - 1]
        self.frozen = min(frozen, len(self.trunk))
        for stage in self.trunk[: self.frozen]:
            stage.requires_grad_(False)
        joined = 0
        if variant != "cnet":
            last = input_size >> STAGES
            self.whole = whole_face(widths[-1] * last * last, 4096 // divisor, 2048 // divisor)
            joined += 2048 // divisor
        if variant in ("cnet", "eacnet"):
            self.crops = CropNet(widths[-2], 2 * len(regions), max(150 // divisor, 1), 2048 // divisor)
            joined += 2048 // divisor
        self.heads = nn.ModuleDict({variant: nn.Linear(joined, num_outputs)})  # by its name: another's does not fit
        for name in ("whole", "crops", "heads"):
            glorot(getattr(self, name, nn.Identity()))
        self.centres = Centres(self.regions, EAC_RULES_49)
        self.register_buffer("places", torch.full((num_outputs,), -1), persistent=False)  # -1: the whole map
        if aus is not None:
            self.use_aus(aus)
        self.weights = weights
        self.carried_over = self._start(Path(weights)) if weights is not None else []

    def use_aus(self, aus: Sequence[int]) -> list[int]:
        """Say which AU each output is; return those whose place is none of the regions.

        Raises:
            FauError: If their number is not that of the outputs.
        """
        if len(aus) != self.num_outputs:
            raise FauError(f"EACNet has {self.num_outputs} outputs, and aus names {len(aus)}; name one for each")
        rules = [EAC_RULES_49[region] for region in self.regions]
        own = [EAC_RULES_49.get(au) for au in aus]
        places = [rules.index(rule) if rule in rules else -1 for rule in own]
        self.places = torch.tensor(places, device=self.places.device)
        return [au for au, place in zip(aus, places, strict=True) if place < 0]

    def train(self, mode: bool = True) -> EACNet:
        """Set the mode; frozen stages stay in evaluation, so that their batch norms keep their statistics."""
        super().train(mode)
        for stage in self.trunk[: self.frozen]:
            stage.eval()
        return self

    def share(self, points: Tensor) -> Tensor:
        """Return the regions' centres (B, R, 2, 2), x and y as shares of the image's side, from landmarks in pixels."""
        with torch.no_grad():
            full = torch.promote_types(points.dtype, torch.float32)
            centres: Tensor = self.centres(points.detach().to(full))
            return (centres + 0.5) / self.input_size  # a pixel's centre is at a whole number

    def forward(self, image: Tensor, points: Tensor | None = None) -> EACOutput:
        """Score a batch.

        A region whose centre is not known, or far outside, is not drawn; its crop is zero if it is not known, and else
        the nearest that lies within the map.

        Args:
            image: (B, 3, H, W), H and W the network's input size.
            points: (B, 49, 2), x and y in pixels of the image, not finite where not known.

        Raises:
            FauError: If images are of another size, or landmarks are lacking or others.
        """
        if image.shape[2:] != (self.input_size, self.input_size):
            raise FauError(f"EACNet is made for {self.input_size} px, not {tuple(image.shape[2:])}; set net.input_size")
        if self.variant == "vgg":
            return EACOutput(self._score(image, None, None))
        if points is None:
            raise FauError(
                "EACNet looks where landmarks are, and got none; set data.landmarks to 49, or variant to vgg"
            )
        if points.shape != (len(image), 49, 2):
            raise FauError(f"EACNet takes landmarks of shape ({len(image)}, 49, 2), not {tuple(points.shape)}")
        share = self.share(points)
        cells = (share * FRAME).floor()
        reached = ((cells >= -self.window) & (cells < FRAME + self.window)).all(dim=-1, keepdim=True)
        drawn = square_maps(torch.where(reached, cells, torch.nan), FRAME, self.window, self.slope)
        whole = drawn.amax(dim=1, keepdim=True)
        maps = torch.cat([drawn, whole], dim=1)[:, self.places]
        return EACOutput(self._score(image, whole, share), maps=maps)

    def _score(self, image: Tensor, attention: Tensor | None, share: Tensor | None) -> Tensor:
        """Return the logits."""
        features = image.flip(1) if self.caffe_pixels else image
        if attention is not None:
            attention = functional.interpolate(attention, self.input_size, mode="bilinear")
        for number, stage in enumerate(self.trunk):
            weight = None
            if attention is not None and number in ENHANCED:
                weight = functional.max_pool2d(attention, 1 << number)
            features = stage(features, weight)
            if number == CROPPED:
                cropped = features
            features = functional.max_pool2d(features, 2)
        branches: list[Tensor] = []
        if self.variant != "cnet":
            branches.append(self.whole(features.flatten(1)))
        if share is not None and self.variant in ("cnet", "eacnet"):
            branches.append(self.crops(cropped, share.flatten(1, 2)))
        logits: Tensor = self.heads[self.variant](torch.cat(branches, dim=1))
        return logits

    def _start(self, path: Path) -> list[str]:
        """Load the parts that a checkpoint has of this network, each whole; return their names.

        Raises:
            FauError: If it lacks some of the VGG, or a part does not fit.
        """
        state = read_state(tested_checkpoint(path) if path.is_dir() else path)
        state = network_part(state) or state
        own = self.state_dict()
        theirs = {_part(key) for key in state}
        carried = [part for part in dict.fromkeys(map(_part, own)) if part in theirs or part.startswith("trunk")]
        faults = [
            f"{key} is lacking"
            if key not in state
            else f"{key} is {list(state[key].shape)} and not {list(value.shape)}"
            for key, value in own.items()
            if _part(key) in carried and (key not in state or state[key].shape != value.shape)
        ]
        faults += [f"{key} has no place" for key in state if _part(key) in carried and key not in own]
        if faults:
            raise FauError(f"{len(faults)} weights of '{path}' do not fit this EAC-Net: {listed(faults)}")
        self.load_state_dict({key: state[key] if _part(key) in carried else value for key, value in own.items()})
        return carried


def _part(key: str) -> str:
    """Return the part of the network that a weight is of: ``trunk.0``, ``whole``, ``crops`` or ``heads.enet``."""
    names = key.split(".")
    return ".".join(names[:2]) if names[0] in ("trunk", "heads") else names[0]


def _check(
    variant: str,
    regions: Sequence[int],
    slope: float,
    window: int,
    input_size: int,
    divisor: int,
    pretrained: bool | str,
) -> None:
    if variant not in VARIANTS:
        raise FauError(f"EACNet has no variant '{variant}'; choose one of {', '.join(VARIANTS)}")
    if not regions:
        raise FauError("EACNet needs a region to look at; name AUs in regions, or set variant to vgg")
    if not 0 <= slope <= 1:
        raise FauError(f"the slope {slope} of EACNet is outside 0..1; the paper's is 0.095, the code's 0.07")
    if not 0 <= window < FRAME:
        raise FauError(f"the window {window} of EACNet is outside 0..{FRAME - 1} cells; 5 goes with slope 0.095")
    if input_size % (1 << STAGES):
        raise FauError(f"EACNet needs an input_size that {1 << STAGES} divides, not {input_size}")
    if divisor not in (1, 2, 4, 8, 16, 32):
        raise FauError(f"EACNet needs a divisor of 1, 2, 4, 8, 16 or 32, not {divisor}")
    if divisor > 1 and pretrained:
        raise FauError(f"pretrained weights are of the published widths; set EACNet's divisor {divisor} to 1")
