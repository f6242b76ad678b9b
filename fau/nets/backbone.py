"""Any timm model as the feature extractor, with GLA-CNN's attention and head."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.attention import KERAS_NORM_MOMENTUM, PoolingHead
from fau.nets.output import Net, NetOutput
from fau.nets.timm_models import (
    create_model,
    depths,
    feature_map,
    least_size,
    map_shape,
    normalisation,
    settings_of,
)


class Backbone(Net):
    """A timm model up to its last feature map, then attention or mean pooling, then one linear layer.

    Args:
        num_outputs: Number of labels.
        name: A timm model, such as ``resnet50``, ``inception_v3``, ``efficientnet_b0`` or ``vit_tiny_patch16_224``.
        pretrained: False for random weights, True for timm's own from the hub, or the path of a ``.safetensors``,
            ``.pth`` or ``.pt`` file with the weights of that model (unpickled with ``weights_only``), by timm's names,
            of an EfficientNet also by those of efficientnet-pytorch. ``FILE#sha256=0676ba61`` refuses a file whose
            checksum begins otherwise.
        input_size: Side of the image in pixels; None takes the model's own, often 224. Enlarged crops cost time and
            add nothing, so the default is the size of GLA-CNN.
        attention: Pool the last map by attention; otherwise by its mean.
        hidden: Hidden width of the attention.
        norm_momentum: Batch-norm momentum of the attention alone; the model keeps its own.
        allow_1x1: Accept a last map of one position although attention then does nothing.
        options: More arguments for ``timm.create_model``, such as ``drop_path_rate``.

    Raises:
        FauError: If the model is unknown, its weights cannot be had or do not fit, or the image is too small.
    """

    def __init__(
        self,
        num_outputs: int,
        name: str = "resnet50",
        pretrained: bool | str = False,
        input_size: int | None = 112,
        attention: bool = True,
        hidden: int = 128,
        norm_momentum: float = KERAS_NORM_MOMENTUM,
        allow_1x1: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        own_size, size, options = settings_of(name, input_size, options)
        super().__init__(num_outputs, size)
        self.name = name
        self.features = create_model(name, pretrained, self.input_size, options)
        self.mean, self.std = normalisation(self.features)

        positions_wanted = 2 if attention and not allow_1x1 else 1
        shape = map_shape(self.features, self.input_size)
        if shape is None or shape[1] * shape[2] < positions_wanted:
            raise FauError(self._too_small(None if "img_size" in options else own_size, positions_wanted))
        self.head = PoolingHead(shape[0], num_outputs, attention, hidden, norm_momentum)

    def _too_small(self, own_size: int | None, positions_wanted: int) -> str:
        """Say from which size on the image does."""
        if own_size is None:  # a transformer is made for one size, so others cannot be tried on it
            reason = "; attention needs a map of more than one position" if positions_wanted > 1 else ""
            return f"{self.name} cannot take images of {self.input_size} px; set the net's input_size{reason}"
        least = least_size(self.features, self.input_size, own_size, positions_wanted)
        wanted = "another size" if least is None else f"{least} px or more"
        text = f"{self.name} needs images of {wanted}, not {self.input_size}; set the net's input_size"
        if positions_wanted > 1:
            bare = least_size(self.features, self.input_size, own_size, 1)
            without = "" if bare is None else f"; attention off or allow_1x1 take {bare} px"
            text += f" (attention needs a map of more than one position{without})"
        return text

    def forward(self, image: Tensor) -> NetOutput:
        """Score a batch (B, 3, H, W)."""
        output: NetOutput = self.head(feature_map(self.features, image))
        return output

    def depths(self) -> dict[str, int]:
        """Return how deep each parameter lies: the model's by timm's own division into layers, then the head."""
        body = {f"features.{name}": depth for name, depth in depths(self.features).items()}
        head = 1 + max(body.values(), default=-1)
        return body | {f"head.{name}": head for name, _ in self.head.named_parameters()}


class Trunk(nn.Module):
    """A timm model up to its last feature map, for networks with a head of their own.

    Args:
        name: A timm model, with the tag of its weights where that matters (``resnet50.tv_in1k``).
        pretrained: As in ``Backbone``.
        input_size: Side of the image in pixels; None takes the model's own.
        options: More arguments for ``timm.create_model``.

    Attributes:
        channels: Channels of the map.
        transformer: Whether the model makes tokens, or maps with channels last, rather than convolutional maps.

    Raises:
        FauError: If the model is unknown, its weights cannot be had or do not fit, or the image is too small.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool | str = False,
        input_size: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        own_size, self.input_size, options = settings_of(name, input_size, options)
        self.model = create_model(name, pretrained, self.input_size, options)
        self.mean, self.std = normalisation(self.model)
        shape = map_shape(self.model, self.input_size)
        if shape is None:
            raise FauError(f"{name} cannot take images of {self.input_size} px; set input_size ({own_size} is its own)")
        self.channels = shape[0]
        self.transformer = hasattr(self.model, "num_prefix_tokens") or getattr(self.model, "output_fmt", "") == "NHWC"

    def forward(self, image: Tensor) -> Tensor:
        """Map a batch (B, 3, H, W) to features (B, C, H', W')."""
        return feature_map(self.model, image)
