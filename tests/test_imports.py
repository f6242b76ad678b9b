"""Imports run one way, and heavy packages stay behind one file each: read from the sources of all files found."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fau

PACKAGE = Path(fau.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Each part may import from itself and from the rows above its own. A new part of the package needs a place here.
ROWS = [
    {"fau", "errors", "cores", "interrupts", "launched", "paths", "units"},
    {"labels", "landmarks", "hardware", "heartbeat", "npz", "atomic", "versions"},
    {"losses", "metrics"},
    {"corpora", "nets", "runs", "stats"},
    {"crops"},
    {"synthetic"},
    {"data"},
    {"modules"},
    {"explain"},
    {"tracking", "identity"},
    {"training"},
    {"sweep", "report", "bench", "ensemble"},
    {"cli"},
]
ROW = {part: row for row, parts in enumerate(ROWS) for part in parts}

# Which files alone import a package, as paths below the package; a folder stands for all in it.
ONLY_IMPORTERS = {
    "timm": {"nets/timm_models.py", "nets/torchvision_models.py"},
    "wandb": {"tracking/client.py", "report/formats/wandb_report.py"},
    "wandb_workspaces": {"report/formats/wandb_report.py"},
    "albumentations": {"data/augment.py"},
    "av": {"corpora/media.py"},
    "mediapipe": {"crops/detect.py"},
    "captum": {"explain/cam.py"},
    "submitit": {"sweep/slurm.py"},
}
WITHOUT_TORCH = {
    "errors",
    "labels",
    "landmarks",
    "metrics",
    "stats",
    "corpora",
    "crops",
    "synthetic",
    "atomic",
    "versions",
    "runs",
    "report",
}
TORCH = {"torch", "torchvision", "torchmetrics", "lightning", "timm"}


def _part(module: str) -> str:
    """Return the part of the package that a module is of: 'nets' for 'fau.nets.gla', 'fau' for the package itself."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def _name(file: Path) -> str:
    names = ["fau", *file.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _imported(file: Path, late: bool = True) -> Iterator[str]:
    """Yield the modules that a file imports, those inside functions too unless ``late`` is False."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide what is imported"
            assert node.module is not None
            if node.module == "fau":  # `from fau import tracking` imports a module, `from fau import __version__` none
                modules = {alias.name for alias in node.names if alias.name in ROW}
                yield from (f"fau.{name}" for name in modules)
                yield from ("fau" for alias in node.names if alias.name not in ROW)
            else:
                yield node.module


def _relative(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


PER_FILE = pytest.mark.parametrize("file", FILES, ids=_relative)


@PER_FILE
def test_imports_run_one_way(file: Path) -> None:
    own = _part(_name(file))
    assert own in ROW, f"give '{own}' a place in ROWS"
    for module in _imported(file):
        if module.split(".")[0] == "fau":
            assert _part(module) in ROW, f"give '{_part(module)}' a place in ROWS"
            assert _part(module) == own or ROW[_part(module)] < ROW[own], f"{own} must not import {module}"


@PER_FILE
def test_heavy_packages_have_one_importer(file: Path) -> None:
    roots = {module.split(".")[0] for module in _imported(file)}
    for package, importers in ONLY_IMPORTERS.items():
        assert package not in roots or _relative(file) in importers, f"only {sorted(importers)} may import {package}"
    if _part(_name(file)) == "nets":
        assert not roots & {"lightning", "pytorch_lightning", "torchmetrics"}, "networks know no lightning"
    if _part(_name(file)) in WITHOUT_TORCH:
        assert not roots & TORCH, f"{_relative(file)} must do without torch"


def test_no_cycle_between_files() -> None:
    """Files load each other in one direction within a part as well."""
    known = {_name(file): file for file in FILES}
    graph = {
        name: {module for module in _imported(file, late=False) if module in known} for name, file in known.items()
    }
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != "open", f"import cycle: {' -> '.join((*path, name))}"
        if name not in state:
            state[name] = "open"
            for module in sorted(graph[name]):
                if module != name:
                    visit(module, (*path, name))
            state[name] = "done"

    for name in sorted(graph):
        visit(name, ())


def test_reports_and_stores_load_no_torch() -> None:
    """What they import, imports none either: a report opens at once, and a renderer's workers stay small."""
    names = [_name(file) for file in FILES if _part(_name(file)) in WITHOUT_TORCH]
    program = f"import sys\nfor name in {names!r}: __import__(name)\nprint(*sorted({TORCH!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout.split() == []
