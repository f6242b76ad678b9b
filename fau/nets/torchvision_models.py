"""What timm lacks and torchvision has, registered with timm, so that a name is all that a configuration needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

_COMMON = {"input_size": (3, 224, 224), "num_classes": 1000, "first_conv": "conv1", "classifier": "fc"}
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def _config(name: str, **values: Any) -> dict[str, Any]:
    weights: Any = get_model_weights(name)
    return {"url": weights.IMAGENET1K_V1.url, **_COMMON, **values}


default_cfgs = generate_default_cfgs(
    {
        # Ported from TensorFlow, which scales pixels to -1..1.
        "googlenet.tv_in1k": _config("googlenet", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        "shufflenet_v2_x0_5.tv_in1k": _config("shufflenet_v2_x0_5", **_IMAGENET),
        "shufflenet_v2_x2_0.tv_in1k": _config("shufflenet_v2_x2_0", **_IMAGENET),
    }
)

_HEAD = ("avgpool", "dropout", "fc", "aux1", "aux2")


class Chain(nn.Module):
    """A torchvision classifier whose children run one after another, in the form of timm's models.

    Args:
        name: torchvision's name.
        num_classes: Classes; 0 leaves the classifier out.
        in_chans: Channels of the image: 3.
        global_pool: ``avg``, or empty for maps.
        steps: Names of the children that run, for a smaller network; None runs all.
        options: More arguments for torchvision's constructor.

    Raises:
        ValueError: If an image or a step cannot be.
    """

    def __init__(
        self,
        name: str,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        steps: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if in_chans != 3:
            raise ValueError(f"{name} takes images of 3 channels, not {in_chans}")
        made = get_model(name, weights=None, **options)
        own = [step for step, _ in made.named_children() if step not in _HEAD]
        unknown = [step for step in steps or () if step not in own]
        if unknown:
            raise ValueError(f"{name} has no step '{unknown[0]}'; its steps are {', '.join(own)}")
        self.steps = own if steps is None else [step for step in own if step in steps]
        for step in self.steps:
            self.add_module(step, getattr(made, step))
        self.num_features = self.head_hidden_size = made.fc.in_features if steps is None else self._channels()
        self.num_classes, self.global_pool = num_classes, global_pool
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def _channels(self) -> int:
        """Return the channels of the last map, from an image that leaves something of it after five halvings."""
        training = self.training
        with torch.no_grad():
            channels = self.eval().forward_features(torch.zeros(1, 3, 64, 64)).shape[1]
        self.train(training)
        return channels

    def forward_features(self, image: Tensor) -> Tensor:
        """Map a batch (B, 3, H, W) to the last map (B, C, H', W')."""
        for step in self.steps:
            image = getattr(self, step)(image)
        return image

    def forward(self, image: Tensor) -> Tensor:
        """Classify a batch, or give its features."""
        features = self.forward_features(image)
        if self.global_pool:
            features = features.mean(dim=(2, 3))
        classified: Tensor = self.fc(features)
        return classified

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Divide the model into layers, as timm's models do."""
        first, *rest = (step for step in self.steps if any(True for _ in getattr(self, step).parameters()))
        return {"stem": rf"^{first}\.", "blocks": [(rf"^{step}\.", (depth,)) for depth, step in enumerate(rest)]}


def checkpoint_filter_fn(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Leave out the auxiliary classifiers of a checkpoint of torchvision's."""
    return {key: value for key, value in state.items() if not key.startswith(("aux1.", "aux2."))}


def _build(variant: str, pretrained: bool, **options: Any) -> nn.Module:
    made: nn.Module = build_model_with_cfg(
        Chain, variant, pretrained, pretrained_filter_fn=checkpoint_filter_fn, name=variant, **options
    )
    return made


@register_model
def googlenet(pretrained: bool = False, **options: Any) -> nn.Module:
    """GoogLeNet (Szegedy et al., CVPR 2015) as torchvision has it, with batch norm and without auxiliary heads."""
    return _build("googlenet", pretrained, aux_logits=False, init_weights=True, **options)


@register_model
def shufflenet_v2_x0_5(pretrained: bool = False, **options: Any) -> nn.Module:
    """ShuffleNet-V2 x0.5 as torchvision has it."""
    return _build("shufflenet_v2_x0_5", pretrained, **options)


@register_model
def shufflenet_v2_x2_0(pretrained: bool = False, **options: Any) -> nn.Module:
    """ShuffleNet-V2 x2.0 (Ma et al., ECCV 2018) as torchvision has it."""
    return _build("shufflenet_v2_x2_0", pretrained, **options)


__all__ = ["Chain", "checkpoint_filter_fn", "default_cfgs", "googlenet", "shufflenet_v2_x0_5", "shufflenet_v2_x2_0"]
