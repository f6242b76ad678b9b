"""timm's models without their classifiers: made, loaded from a file, and run up to their last map."""

from __future__ import annotations

import difflib
import logging
import math
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from timm.data.config import resolve_model_data_config
from timm.models import group_parameters, load_state_dict
from torch import Tensor, nn

import fau.nets.torchvision_models  # noqa: F401  # registers what timm lacks
from fau.errors import FauError
from fau.nets.efficientnet_weights import is_efficientnet_pytorch, to_timm
from fau.nets.weight_files import checked

Colour = tuple[float, float, float]

# What timm raises for weights that cannot be had: no network or no such file (OSError), none published (RuntimeError).
_LOAD_ERRORS = (OSError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError)
# What its models raise for an image that they cannot take.
_SIZE_ERRORS = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError)


def settings_of(name: str, input_size: int | None, options: dict[str, Any] | None) -> tuple[int, int, dict[str, Any]]:
    """Return the model's own image size, the one to use, both in pixels, and the arguments for timm.

    Args:
        name: A timm model.
        input_size: The size asked for; None takes the model's own.
        options: More arguments.

    Raises:
        FauError: If timm has no such model.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise FauError(f"timm has no model '{name}'{hint} (timm.list_models() names them all)")
    config = timm.get_pretrained_cfg(name)
    own_size = config.input_size[-1] if config else 224
    size = own_size if input_size is None else input_size
    options = dict(options or {})
    if config and config.fixed_input_size:
        options.setdefault("img_size", size)
    return own_size, size, options


def normalisation(model: nn.Module) -> tuple[Colour, Colour]:
    """Return the mean and the standard deviation of each colour, of 0..1, that a model's images are normalised by."""
    data = resolve_model_data_config(model)  # type: ignore[no-untyped-call]
    return data["mean"], data["std"]


def depths(model: nn.Module) -> dict[str, int]:
    """Return the depth of each parameter of a timm model, the stem's 0; all 0 where timm knows no layers of it."""
    names = [name for name, _ in model.named_parameters()]
    if not hasattr(model, "group_matcher"):
        return dict.fromkeys(names, 0)
    found = group_parameters(model, model.group_matcher(coarse=False), reverse=True)  # type: ignore[operator]
    return {name: int(found.get(name, 0)) for name in names}


def feature_map(model: nn.Module, image: Tensor) -> Tensor:
    """Run the model up to its last map (B, C, H, W), whatever layout it uses.

    Tokens become the square that their number allows, in reading order, after the class and register tokens are
    dropped; a number that is no square becomes one column.
    """
    features: Tensor = model.forward_features(image)  # type: ignore[operator]
    if features.ndim == 3:
        tokens = features[:, int(getattr(model, "num_prefix_tokens", 0)) :]
        side = math.isqrt(tokens.shape[1])
        height, width = (side, side) if side * side == tokens.shape[1] else (tokens.shape[1], 1)
        return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)
    if features.ndim == 4:
        return features.permute(0, 3, 1, 2) if getattr(model, "output_fmt", None) == "NHWC" else features
    raise FauError(f"the features of {type(model).__name__} are no map and no tokens; choose another model")


def map_shape(model: nn.Module, size: int) -> tuple[int, int, int] | None:
    """Return (C, H, W) of the last map for an image of ``size`` pixels, or None if the model cannot take it."""
    training = model.training
    model.eval()  # leaves the batch-norm statistics alone, and one image is enough
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            shape = feature_map(model, torch.zeros(1, 3, size, size, device=device)).shape
    except _SIZE_ERRORS:
        return None
    finally:
        model.train(training)
    return int(shape[1]), int(shape[2]), int(shape[3])


def least_size(model: nn.Module, too_small: int, high: int, positions: int) -> int | None:
    """Return the least image side with so many positions in the last map, or None if ``high`` has not so many."""

    def fits(size: int) -> bool:
        shape = map_shape(model, size)
        return shape is not None and shape[1] * shape[2] >= positions

    if fits(too_small):
        return too_small
    if not fits(high):
        return None
    low = too_small
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def create_model(name: str, pretrained: bool | str, size: int, options: dict[str, Any]) -> nn.Module:
    """Make a model without its classifier, and without what only that used.

    Args:
        name: A timm model.
        pretrained: As in ``Backbone``.
        size: Side of its images, in pixels.
        options: Of ``settings_of``.

    Raises:
        FauError: If timm cannot make it, or its weights cannot be had or do not fit.
    """

    def create(**pooling: Any) -> nn.Module:
        made: nn.Module = timm.create_model(name, pretrained is True, num_classes=0, **pooling, **options)
        return made

    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)  # it prints each of its many tries; what they came to is said below
    try:
        try:
            model = create(global_pool="")  # keeps a last norm before the pooling, where this model has one
        except AssertionError:  # distilled transformers insist on their own pooling, which is after the map
            model = create()
    except TypeError as error:
        raise FauError(f"{name} refuses the net's options {options}: {error}") from None
    except (*_LOAD_ERRORS, AssertionError) as error:
        if pretrained is not True:
            raise FauError(f"timm cannot make {name} for images of {size} px: {_reason(error)}") from error
        raise FauError(
            f"the pretrained weights of {name} cannot be had ({_reason(error)}); "
            "go online once, or set the net's pretrained to the path of a weight file, or to false"
        ) from error
    finally:
        hub.setLevel(level)
    if isinstance(pretrained, str):
        _load_file(model, name, checked(pretrained))
    _drop_unused(model, size)
    return model


def _load_file(model: nn.Module, name: str, path: Path) -> None:
    """Load weights from a local file, all of them or not at all.

    Raises:
        FauError: If the file cannot be read as weights, lacks some of the model's, or has them in other shapes.
    """
    if not path.is_file():
        raise FauError(f"the weight file '{path}' does not exist; correct the net's pretrained, or set it to false")
    try:
        weights = load_state_dict(str(path), weights_only=True)
        if is_efficientnet_pytorch(weights):
            weights = to_timm(weights, model, name)
        # timm's own convention for renamed keys and for position embeddings of another image size
        module = sys.modules[type(model).__module__]
        adapt = getattr(module, "checkpoint_filter_fn", None)
        older = getattr(module, "_filter_fn", None)  # of VGGs: torchvision's linear layers are convolutions here
        if adapt is not None:
            weights = adapt(weights, model)
        elif older is not None:
            weights = older(weights)
        own = model.state_dict()
        other = [key for key, value in weights.items() if key in own and value.shape != own[key].shape]
        if other:
            raise FauError(
                f"{len(other)} weights of '{path}' are of another shape than those of {name}, {other[0]} among them; "
                "is it a file of another model?"
            )
        report = model.load_state_dict(weights, strict=False)
    except (*_LOAD_ERRORS, AttributeError, EOFError, TypeError) as error:
        raise FauError(
            f"'{path}' cannot be read as weights of {name} ({_reason(error)}); fetch it again, or name another file"
        ) from error
    if report.missing_keys:
        raise FauError(
            f"'{path}' lacks {len(report.missing_keys)} weights of {name}, {report.missing_keys[0]} among them; "
            "is it a file of another model?"
        )
    classifier = model.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    extra = [key for key in report.unexpected_keys if not key.startswith(tuple(f"{head}." for head in heads))]
    if extra:
        warnings.warn(f"{len(extra)} weights of '{path}' are not used by {name}: {', '.join(extra[:5])}", stacklevel=2)


def _drop_unused(model: nn.Module, size: int) -> None:
    """Remove what only the classifier used: DDP stops at a parameter that gets no gradient.

    Children without any share in the last map become identities; single parameters left over are frozen.
    """
    training = model.training
    model.eval()
    parameters = dict(model.named_parameters())
    device = next(iter(parameters.values())).device
    try:
        with torch.enable_grad():
            total = feature_map(model, torch.zeros(1, 3, size, size, device=device)).sum()
        gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    except _SIZE_ERRORS:
        return  # the image is too small: the constructor says so
    finally:
        model.train(training)
    unused = {key for key, gradient in zip(parameters, gradients, strict=True) if gradient is None}
    for child, module in model.named_children():
        keys = {f"{child}.{key}" for key, _ in module.named_parameters()}
        if keys and keys <= unused:
            setattr(model, child, nn.Identity())
    for key in unused:
        parameters[key].requires_grad_(False)


def _reason(error: Exception) -> str:
    """Say an error of a library in one line."""
    if isinstance(error, AttributeError | EOFError | KeyError | TypeError | pickle.UnpicklingError):
        return "it is no file of weights"  # these say how unpickling failed, which helps nobody
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) if lines else type(error).__name__  # the first line of torch's is a heading
    return text.split(". ")[0].rstrip(".:")[:300]  # timm goes on to advise unsafe unpickling, torch to guess
