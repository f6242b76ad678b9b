"""fau: train, ablate and compare facial action unit models."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fau")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
