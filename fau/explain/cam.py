"""Class-activation maps, by Captum. The only importer of it.

Grad-CAM (Selvaraju et al., ICCV 2017) at the network's last map: each channel weighs by the mean of its gradient, and
what speaks against the label is cut off.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import torch
from torch import Tensor

from fau.errors import FauError
from fau.explain.layers import last_map
from fau.nets.output import Net

MISSING = "class-activation maps are made by Captum, which is not installed; install it: pip install 'fau[explain]'"


def installed() -> bool:
    """Tell whether Captum can be imported."""
    return importlib.util.find_spec("captum") is not None


def class_activation(net: Net, image: Tensor, more: tuple[Tensor, ...], labels: Sequence[int]) -> tuple[Tensor, str]:
    """Return maps (B, L, h, w) of a network in evaluation, those of other labels 0, and the name of their layer.

    Args:
        net: The network; its parameters' gradients are left alone.
        image: (B, 3, S, S), normalised.
        more: What the network takes besides.
        labels: Positions of the labels.

    Raises:
        FauError: If Captum is not installed, or the network has no map.
    """
    try:
        from captum.attr import LayerGradCam
    except ImportError:
        raise FauError(MISSING) from None
    place = last_map(net, image, more)
    if place is None:
        raise FauError(f"{type(net).__name__} has no map of more than one position, so no class-activation map either")
    method = LayerGradCam(lambda *inputs: net(*inputs).logits, place.module)
    out = torch.zeros(len(image), net.num_outputs, *place.shape[-2:], device=image.device)
    with torch.inference_mode(False), torch.enable_grad():
        for label in labels:
            out[:, label] = method.attribute(
                image.clone(),
                target=label,
                additional_forward_args=more or None,
                attribute_to_layer_input=place.at_input,
                relu_attributions=True,
            ).detach()[:, 0]
    return out, place.name
