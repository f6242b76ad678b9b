"""``fau-bench``: what models cost, side by side: size, operations, latency, training speed, memory."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fau.cli._main import guarded, plain_warnings
from fau.errors import FauError

if TYPE_CHECKING:
    from fau.bench.subject import Subject

PROGRAM = "fau-bench"
_DESCRIPTION = """\
Measure what models cost: parameters, operations, latency, frames a second,
training speed and memory. A model is a configuration file, the folder of a run
or of an experiment (a run of each row), or what fau-train's flags say; the
flags, --config among them, hold for every model. An overlay changes the file
that its folder is named after. Pictures are noise of the network's input size
and weights are random, so that no corpus and no weight file is needed.
"""
_EXAMPLES = """\
examples:
  fau-bench experiments/gla.yaml experiments/jaanet.yaml
  fau-bench experiments/text001/*.yaml --batch 8
  fau-bench --model.net fau.nets.backbone.Backbone --model.net.name resnet50
  fau-bench runs/gla/0123456789ab --batch 64 --device cuda --csv cost.csv
  fau-bench runs/text000 --keep     # a run a row; fau-report runs/text000 then shows it
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``fau-bench``.

    Args:
        argv: Arguments; those of the command line if None.

    Returns:
        0, or 2 after a wrong input, which is said in one sentence.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    options, rest = _parser().parse_known_args(arguments)
    command = " ".join([PROGRAM, *arguments])
    with plain_warnings(PROGRAM):
        return guarded(PROGRAM, lambda: _bench(options, rest, command), resumes=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="fau-bench [CONFIG | RUN ...] [options] [flags of fau-train]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU, if any")
    parser.add_argument(
        "--precision", metavar="NAME", help="32-true, bf16-mixed or 16-mixed (default: the configuration's, or the "
        "fastest that the hardware has, as fau-train chooses)"
    )  # fmt: skip
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="images a training step (default: 16)")
    parser.add_argument("--size", type=int, metavar="PX", help="side of the input (default: the configuration's)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns that each model takes (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every duration, and the conditions")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as it is printed")
    parser.add_argument("--keep", action="store_true", help="write cost.json into the runs' folders, for their reports")
    return parser


def _models(options: argparse.Namespace, rest: list[str]) -> tuple[dict[str, list[str]], dict[str, Path]]:
    """Return the arguments that build each model, and the file of each.

    Raises:
        FauError: If an option is out of its range, or does not go with another.
    """
    for name in ("batch", "rounds"):
        if getattr(options, name) < 1:
            raise FauError(f"--{name} is {getattr(options, name)}; give 1 or more")
    for file in filter(None, (options.json, options.csv, options.markdown)):
        if not file.parent.is_dir():
            raise FauError(f"'{file.parent}' is not a folder; name a file in one that exists")
        if not os.access(file.parent, os.W_OK) or file.is_dir():
            raise FauError(f"'{file}' cannot be written; name another file")
    files, flags = _split(rest)
    if options.keep and (not files or any(file.name != "config.yaml" for file in files)):
        raise FauError(
            "--keep writes into the folders of runs; name runs/EXPERIMENT/RUN, one or more, and nothing else"
        )
    if options.keep and (flags or options.size is not None):
        raise FauError("--keep is for runs as they are; leave out --size and flags of fau-train")
    if options.size is not None:
        flags = [*flags, f"--model.net.input_size={options.size}"]
    named = _names(files)
    return {name: [*_configurations(file), *flags] for name, file in named.items()} or {"": flags}, named


def _bench(options: argparse.Namespace, rest: list[str], command: str) -> int:
    models, files = _models(options, rest)

    import torch  # late, so that --help and a wrong path answer at once
    from rich.console import Console

    from fau.atomic import write_atomically
    from fau.bench.measure import measure
    from fau.cli.bench_table import as_csv, as_json, as_kept, as_markdown, cost_table
    from fau.hardware import describe_hardware, limit_threads
    from fau.report.formats.text import print_table

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise FauError("--device cuda: torch finds no GPU here; leave it out, or give cpu")
    limit_threads()
    before = os.getloadavg()[0]
    with _telling() as tell, tempfile.TemporaryDirectory(prefix="fau-bench-") as folder:
        subjects = [
            _subject(name, args, torch.device(device), options, Path(folder) / str(number))
            for number, (name, args) in enumerate(models.items())
        ]
        costs = measure(subjects, options.rounds, tell)
    conditions = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "device": device,
        "precision": sorted({cost.precision for cost in costs}),
        "rounds": options.rounds,
        "hardware": describe_hardware(),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
    }
    table = cost_table(costs, conditions)
    print_table(table, Console())
    written = {options.json: as_json(costs, conditions), options.csv: as_csv(costs, conditions["device"])}
    written[options.markdown] = as_markdown(table, conditions)
    if options.keep:
        written |= as_kept(costs, conditions, {name: file.parent for name, file in files.items()})
    for file, text in written.items():
        if file is not None:
            write_atomically(file, text.encode())
            print(file)
    return 0


def _split(rest: list[str]) -> tuple[list[Path], list[str]]:
    """Part the models, which come first, from the flags of fau-train.

    Raises:
        FauError: If a model stands among the flags, or is neither a file nor a run.
    """
    at = next((number for number, word in enumerate(rest) if word.startswith("-")), len(rest))
    for before, word in zip(rest[at:], rest[at + 1 :], strict=False):
        if not word.startswith("-") and (not before.startswith("-") or "=" in before):
            raise FauError(f"'{word}' stands among the flags; name configurations and runs before them")
    files = []
    for word in rest[:at]:
        path = Path(word)
        if path.is_dir():
            files += [path / "config.yaml"] if (path / "config.yaml").is_file() else _a_run_a_row(path)
        elif path.is_file():
            files.append(path)
        else:
            raise FauError(f"'{word}' does not exist; name a configuration file or the folder of a run")
    return files, rest[at:]


def _a_run_a_row(folder: Path) -> list[Path]:
    """Return the configurations of an experiment, by one finished run of each row.

    Raises:
        FauError: If the folder holds no finished run.
    """
    from fau.runs import ledger

    rows: dict[tuple[str, str], Path] = {}
    for run in ledger(folder):
        if (run.path / "config.yaml").is_file() and run.status == "done":
            rows.setdefault((run.path.parent.name, str(run.read()["name"])), run.path / "config.yaml")
    if not rows:
        raise FauError(f"'{folder}' is no run and holds none that is finished; name runs/EXPERIMENT/RUN")
    return list(rows.values())


def _configurations(file: Path) -> list[str]:
    """Return the arguments that read a configuration; an overlay's folder is named after the file that it changes."""
    folder = file.absolute().parent  # which of a bare name is the current one
    base = folder.with_name(f"{folder.name}.yaml") if folder.name else folder
    return [f"--config={own}" for own in ([base, file] if base.is_file() else [file])]


def _names(files: list[Path]) -> dict[str, Path]:
    """Call a configuration by its file, a run by its experiment and id; by more of the path where names collide."""
    parts = [(file.parent if file.name == "config.yaml" else file.with_suffix("")).absolute().parts for file in files]
    named: dict[str, Path] = {}
    for file, own in zip(files, parts, strict=True):
        length = 2 if file.name == "config.yaml" else 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        named["/".join(own[-length:])] = file
    return named


def _subject(name: str, args: list[str], device: Any, options: argparse.Namespace, folder: Path) -> Subject:
    """Build one model as fau-train would, on noise in place of its corpus.

    Raises:
        FauError: If its settings are wrong, or cannot be measured.
    """
    import torch

    from fau.bench.crops import GROUPS, write_noise
    from fau.bench.measure import LATENCY
    from fau.bench.subject import ALIASES, PRECISIONS, Subject
    from fau.cli.parse_errors import our_error
    from fau.cli.train_parser import parse
    from fau.data.datamodule import FaceDataModule
    from fau.hardware import default_precision

    where = f"'{name}': " if name else ""
    try:
        cli = parse(args)
        asked = options.precision or cli.config["trainer"]["precision"] or default_precision(device.type)
        precision = ALIASES.get(str(asked), str(asked))
        if precision not in PRECISIONS:
            raise FauError(f"precision '{asked}' is not measured; choose one of {', '.join(PRECISIONS)}")
        _without_files(cli.config["model"])
        torch.manual_seed(0)
        try:
            module = cli.parser.instantiate_classes(cli.config)["model"]
        except ValueError as error:  # jsonargparse wraps what a constructor raises
            raise our_error(error) or error from error
        settings = cli.config["data"].as_dict()
        settings |= {
            "crop_set": str(write_noise(folder, settings["label_set"], module.transform.resize)),
            **{"protocol": "kfold", "folds": GROUPS, "fold": 1, "validation": "none", "holdout": None},
            **{"augment": None, "undersample": "none", "weights_from": None, "occurrence_threshold": None},
            **{"batch_size": options.batch, "num_workers": 0},
        }
        data = FaceDataModule(**settings)
        data.setup("fit")
        name = name or str(getattr(module.net, "name", type(module.net).__name__))
        return Subject(name, module, data, options.batch, LATENCY, device, precision)
    except FauError as error:
        raise FauError(f"{where}{error}") from error


def _without_files(settings: Any) -> None:
    """Leave out of a model's settings the weights that it would start from: they change no cost, and may be absent."""
    from fau.identity import WEIGHT_KEYS

    for key, value in list(settings.items()):  # of all depths, with dots between
        name = key.rpartition(".")[2]
        if name in WEIGHT_KEYS:
            settings[key] = False if isinstance(value, bool) or name == "pretrained" else None


@contextmanager
def _telling() -> Iterator[Any]:
    """Show on a terminal what is done at the moment."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("building the models") as status:
        yield status.update


if __name__ == "__main__":
    sys.exit(main())
