"""Every network of the package, found by walking it: a new file in fau/nets is tested without an entry anywhere."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import fau.nets
from fau.labels import LABEL_SETS
from fau.nets.output import Net

# Settings that make a network small enough for a test; a network without an entry is tested as its defaults make it.
SMALL: dict[str, dict[str, object]] = {
    "GLACNN": {"input_size": 32, "widths": (4, 4, 8, 8, 8, 8), "hidden": 8},
    "Backbone": {"input_size": 64, "name": "test_resnet", "hidden": 8},
    "JAANet": {"input_size": 32, "unit": 1},
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
    if network.__name__ == "JAANet":  # which draws where an AU is, and so needs to know which
        settings = {"aus": LABEL_SETS["bp4d12"][:num_outputs]} | settings
    made: Net = make(num_outputs, **(SMALL.get(network.__name__, {}) | settings))
    return made
