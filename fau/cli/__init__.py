"""Command-line programs: fau-train, fau-sweep, fau-report, fau-data and others, one file each."""

from fau.cli import _early

_early.listen()
