"""Every network of the package, found by walking it: a new file in fau/nets is tested without an entry anywhere."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import torch

import fau.nets
from fau.labels import LABEL_SETS
from fau.landmarks import LANDMARK_COUNTS
from fau.nets.output import Net, NetOutput

# Settings that make a network small enough for a test; a network without an entry is tested as its defaults make it.
SMALL: dict[str, dict[str, object]] = {
    "GLACNN": {"input_size": 32, "widths": (4, 4, 8, 8, 8, 8), "hidden": 8},
    "EACNet": {"input_size": 32, "trunk": "vgg11_bn", "divisor": 16},
    "Backbone": {"input_size": 64, "name": "test_resnet", "hidden": 8},
    "JAANet": {"input_size": 32, "unit": 1},
    "LandmarkTransformer": {"input_size": 32, "width": 16, "layers": 1, "heads": 2, "filters": 4, "patch": 8},
    "MEGraphAUStage1": {"input_size": 64, "trunk": "test_resnet", "width": 32},
    "MEGraphAUStage2": {"input_size": 64, "trunk": "test_resnet", "width": 32},
}


def networks() -> list[type[Net]]:
    """Return every subclass of Net that the package defines."""
    found: set[type[Net]] = set()
    for module_info in pkgutil.walk_packages(fau.nets.__path__, "fau.nets."):
        module = importlib.import_module(module_info.name)
        for _, candidate in inspect.getmembers(module, inspect.isclass):
            ours = issubclass(candidate, Net) and candidate is not Net and candidate.__module__ == module_info.name
            if ours and not candidate.__name__.startswith("_"):  # a base that several share
                found.add(candidate)
    return sorted(found, key=lambda network: network.__name__)


def small(network: type[Net], num_outputs: int = 3, **settings: object) -> Net:
    """Make a network small enough for a test."""
    make: type = network
    if "aus" in inspect.signature(network).parameters:  # it draws where an AU is, and so needs to know which
        settings = {"aus": LABEL_SETS["bp4d12"][:num_outputs]} | settings
    made: Net = make(num_outputs, **(SMALL.get(network.__name__, {}) | settings))
    return made


def run(net: Net, images: torch.Tensor, unknown: int = 0) -> NetOutput:
    """Run a network on images (B, 3, H, W), with landmarks spread over them where it takes some.

    Args:
        net: The network.
        images: The images.
        unknown: So many of the first images come with landmarks that are not known.
    """
    if net.landmarks is None:
        return net(images)
    count = LANDMARK_COUNTS[net.landmarks]
    spread = torch.rand(count, 2, generator=torch.Generator().manual_seed(1))
    points = (images.shape[2] * spread).repeat(len(images), 1, 1)
    points[:unknown] = torch.nan
    return net(images, points)
