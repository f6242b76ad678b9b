"""``fau-data preview``: contact sheets and a page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fau.cli._main import refuse_file
from fau.cli.bar import bar
from fau.cli.check import add_protocol, divided
from fau.crops.format import refuse_inside_cropset
from fau.crops.recipe import SIZES
from fau.errors import FauError
from fau.synthetic.recipe import RECIPES, named_recipe

_DESCRIPTION = (
    "Of a crop set: contact sheets, the mean face, landmarks drawn over crops, and preview.html, one page that holds "
    "them all with the tables of `fau-data check`. Of a recipe: what the drawn faces look like, action unit by action "
    "unit."
)
_FACE = 224  # pixels of a drawn face


def add_preview(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("preview", help="draw contact sheets and a page to look at", description=_DESCRIPTION)
    parser.add_argument("what", metavar="WHAT", help=f"folder of a crop set, or a recipe: {', '.join(RECIPES)}")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the files (default: WHAT-preview)")
    size = f"size of a face (default: {_FACE} for a recipe, the crops' own within 96..160 for a crop set)"
    parser.add_argument("--size", type=int, metavar="PX", help=size)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which crops or people (default: 0)")
    parser.add_argument("--subjects", type=int, metavar="N", help="a recipe's rows of expressions (default: 6)")
    add_protocol(parser)
    parser.set_defaults(run=_preview)


def _preview(options: argparse.Namespace) -> int:
    path = Path(options.what)
    out = options.out or Path(f"{path.resolve()}-preview" if path.name in ("", "..") else f"{path}-preview")
    refuse_file(out)
    refuse_inside_cropset(out)
    if options.what in RECIPES and not path.exists():
        named_recipe(options.what, size=options.size, seed=options.seed, subjects=options.subjects)  # the same limits
        from fau.synthetic.preview import contact_sheets

        with bar("drawing faces") as track:
            files = contact_sheets(out, options.seed, options.size or _FACE, options.subjects or 6, track)
        for file in files:
            print(file)
        return 0
    if not path.exists():
        raise FauError(
            f"crop set '{path}' does not exist; give the folder that holds its cropset.json, or the name of a recipe: "
            f"{', '.join(RECIPES)}"
        )
    for name, (low, high) in {"size": SIZES, "seed": (0, 2**63)}.items():
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            raise FauError(f"{name} = {value}; give a value from {low} to {high}")
    for file in _of_cropset(path, out, options):
        print(file)
    return 0


def _of_cropset(path: Path, out: Path, options: argparse.Namespace) -> list[Path]:
    import cv2

    from fau.crops.audit import audit
    from fau.crops.audit_page import page
    from fau.crops.sheet import sheets
    from fau.crops.store import CropSet

    cropset = CropSet.open(path)
    folds = divided(cropset, options.protocol, options.folds)
    pictures = sheets(cropset, options.seed, options.size)
    text = page(cropset, audit(cropset, *folds), pictures)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in pictures.items():
        file = out / f"{name}.png"
        if not cv2.imwrite(str(file), picture[..., ::-1]):
            raise FauError(f"the picture {file} could not be written; check the folder and the space left on its disk")
        written.append(file)
    (out / "preview.html").write_text(text, encoding="utf-8")
    return [*written, out / "preview.html"]
