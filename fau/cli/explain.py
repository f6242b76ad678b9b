"""``fau-explain RUN``: pictures of what a trained network looks at, and how much of that is where it should be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fau.cli._main import guarded, plain_warnings, refuse_file
from fau.errors import FauError

if TYPE_CHECKING:
    from fau.crops.store import CropSet
    from fau.data.datamodule import FaceDataModule
    from fau.explain.look import Wish
    from fau.explain.page import Look
    from fau.modules.base import FaceModule
    from fau.runs import RunDirectory

PROGRAM = "fau-explain"
METHODS = ("attention", "cam", "rollout", "heads")
_POOL = 2000  # faces of another crop set that are scored, as many of each group as possible


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``fau-explain``.

    Args:
        argv: Arguments; those of the command line if None.

    Returns:
        0, or 2 after a wrong input, which is said in one sentence.
    """
    arguments = _parser().parse_args(argv)
    with plain_warnings(PROGRAM):
        return guarded(PROGRAM, lambda: _explain(arguments), resumes=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show what a trained network looks at: its own attention, class-activation maps, a transformer's "
        "attention; the surest, least sure and wrong faces; and the share of each map inside the label's region of the "
        "face, against chance. By default on the run's own test fold.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run, or of runs: each in turn")
    faces = parser.add_mutually_exclusive_group()
    faces.add_argument(
        "--crop-set", metavar="PATH", help="look at faces of this crop set, or of a synthetic one by name"
    )
    faces.add_argument("--image", type=Path, nargs="+", metavar="FILE", help="look at the faces in these images")
    parser.add_argument("--labels", metavar="LIST", help="labels to show, such as 1,12 or happiness (default: all)")
    parser.add_argument("--faces", type=int, default=3, metavar="N", help="surest faces a label (default: 3)")
    which = f"what to draw, of {', '.join(METHODS)}, with commas between (default: what the network has)"
    parser.add_argument("--method", metavar="LIST", help=which)
    sample = "faces on which shares are measured (default: 200)"
    parser.add_argument("--sample", type=int, default=200, metavar="N", help=sample)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which faces those are (default: 0)")
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda, ... (default: a GPU if there is one)"
    )
    out = "folder for the files (default: RUN/explain, or RUN/explain-NAME for other faces than the run's)"
    parser.add_argument("--out", type=Path, metavar="DIR", help=out)
    return parser


def _explain(arguments: argparse.Namespace) -> int:
    for name, least in (("faces", 1), ("sample", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            raise FauError(f"--{name} is {getattr(arguments, name)}; give {least} or more")
    refuse_file(arguments.out)
    # Late, so that --help and a wrong number answer at once.
    from rich.console import Console

    from fau.hardware import limit_threads
    from fau.runs import ledger

    limit_threads()
    runs = ledger(arguments.run)
    if not runs:
        raise FauError(f"'{arguments.run}' holds no run; name the folder of one, or of an experiment")
    if len(runs) > 1:
        runs = [run for run in runs if run.status == "done"]
        if arguments.out is not None:
            raise FauError(f"'{arguments.run}' holds several runs; leave out --out, or name the folder of one")
        if not runs:
            raise FauError(f"'{arguments.run}' holds no finished run; finish one before looking into it")
    refused = 0
    for run in runs:
        try:
            _one(run, arguments, Console())
        except FauError as error:
            if len(runs) == 1:
                raise
            print(f"{PROGRAM}: {run.path}: {error}", file=sys.stderr)
            refused += 1
    if refused:
        raise FauError(
            f"{refused} of {len(runs)} runs could not be looked into, for the reasons above; the others were"
        )
    return 0


def _one(run: RunDirectory, arguments: argparse.Namespace, console: Any) -> None:
    from fau.cli.explain_text import print_tables
    from fau.explain.page import write

    look, faces = _look(run, arguments)
    folder = arguments.out or run.path / ("explain" if not faces else f"explain-{faces}")
    refuse_file(folder)
    record = run.read()
    about = look.about
    title = f"{record['name']}, fold {record['fold']} of {record['folds']}"
    meta = f"{about['network']} · {about['part']} · run {record['run_id']} · {about['checkpoint']}"
    console.print(f"{title} · {meta}", markup=False, highlight=False)
    print_tables(look, console)
    for note in look.notes:
        print(f"{PROGRAM}: {note}", file=sys.stderr)
    for file in write(look, folder, title, meta):
        print(file)


def _look(run: RunDirectory, arguments: argparse.Namespace) -> tuple[Look, str]:
    """Look into a run; return what was seen, and what the faces are called if they are not of its test fold."""
    from fau.explain.epochs import FOLDER, epoch_sheet
    from fau.explain.faces import Pool
    from fau.explain.look import Wish, look_at_pictures, look_at_scored
    from fau.explain.run import finished, load_weights, test_fold

    run = finished(run.path)
    module, data = _build(run)
    checkpoint = load_weights(module, run)
    module.to(_device(arguments.device))
    methods = _listed(arguments.method)
    wish = Wish(_label_names(arguments.labels, data.labels), methods, arguments.faces, arguments.sample, arguments.seed)
    if arguments.image:
        from fau.explain.images import read_faces

        own = _own_cropset(run, data)
        faces, notes = read_faces(arguments.image, own.info.recipe, own.size)
        look, name = look_at_pictures(module, faces, data.label_set, data.labels, wish), "images"
        look.notes += notes
        part = f"{len(faces)} images"
    elif arguments.crop_set:
        look, name, part = _of_cropset(module, data, _open(arguments.crop_set), run, wish)
    else:
        cropset = _own_cropset(run, data)
        tested = test_fold(run, cropset)
        look, name = look_at_scored(module, Pool(cropset, tested.rows), tested.tasks, data.labels, wish), ""
        trained = epoch_sheet(run.path / FOLDER)
        look.drawings += [] if trained is None else [trained]
        part = f"test fold {run.read()['fold']} of {cropset.info.name}"
    look.about |= {"checkpoint": checkpoint, "part": part}
    return look, name


def _of_cropset(
    module: FaceModule, data: FaceDataModule, cropset: CropSet, run: RunDirectory, wish: Wish
) -> tuple[Look, str, str]:
    """Look at faces of a crop set: score some, then as for the test fold."""
    import numpy as np

    from fau.explain import choose
    from fau.explain.faces import Pool
    from fau.explain.look import look_at_scored
    from fau.explain.scores import score_pool

    module.transform.check(cropset.size)
    groups = cropset.manifest["group"].to_numpy().astype(str)
    rows = choose.sample(np.ones((len(cropset), 1), bool), groups, _POOL, wish.seed)
    pool = Pool(cropset, rows)
    tasks = score_pool(module, pool, data.label_set)
    look = look_at_scored(module, pool, tasks, data.labels, wish)
    if len(rows) < len(cropset):
        look.notes.append(f"{len(rows)} of the {len(cropset)} crops were scored.")
    return look, cropset.info.name, f"crop set {cropset.info.name}"


def _build(run: RunDirectory) -> tuple[FaceModule, FaceDataModule]:
    """Build a run's module, with weights yet to come, and its data module, from the run's own configuration."""
    from fau.cli.parse_errors import our_error
    from fau.cli.train_parser import parse
    from fau.data.datamodule import FaceDataModule

    file = run.path / "config.yaml"
    if not file.is_file():
        raise FauError(f"'{file}' is missing, which says what the run trained; train the run again with --rerun")
    cli = parse(["--config", str(file)])
    _without_start(cli.config["model"])
    cli.config["trainer"]["callbacks"] = None
    try:
        module: FaceModule = cli.parser.instantiate_classes(cli.config)["model"]
    except ValueError as error:
        raise our_error(error) or error from error
    return module, FaceDataModule(**cli.config["data"].as_dict())


def _without_start(settings: Any) -> None:
    """Take out of a module's settings what would be loaded before the run's own weights; and compilation."""
    from fau.identity import WEIGHT_KEYS

    for key, value in list(vars(settings).items()):
        if value and key in (*WEIGHT_KEYS, "compile"):
            settings[key] = False if key in ("pretrained", "compile") else None
        elif hasattr(value, "__dict__"):
            _without_start(value)


def _own_cropset(run: RunDirectory, data: FaceDataModule) -> CropSet:
    path = Path(str(run.read()["crop_set"].get("path", "")))
    return _open(str(path)) if (path / "cropset.json").is_file() else data.cropset


def _open(what: str) -> CropSet:
    from fau.crops.store import CropSet
    from fau.synthetic.cache import default_cropset
    from fau.synthetic.recipe import RECIPES

    return CropSet.open(default_cropset(what) if what in RECIPES and not Path(what).exists() else what)


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise FauError(f"--device {name} cannot be used here ({str(error).splitlines()[0]}); give cpu") from error


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _label_names(text: str | None, known: Sequence[str]) -> list[str] | None:
    """Return labels as they are printed: numbers are action units."""
    from fau.labels import au_label

    names = _listed(text)
    if names is None:
        return None
    if not names:
        raise FauError(f"--labels names nothing; choose among {', '.join(known)}")
    return [au_label(int(name)) if name.isdecimal() else name for name in names]


if __name__ == "__main__":
    sys.exit(main())
