"""``fau-data``: make, check and look at crop sets."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from time import perf_counter

from fau.cli._main import EXIT_TERMINATED, guarded
from fau.cli.check import add_check
from fau.cli.identify import add_identify
from fau.cli.info import add_info
from fau.cli.prepare import add_prepare
from fau.cli.preview import add_preview
from fau.synthetic.recipe import RECIPES, Recipe, named_recipe
from fau.units import counted

PROGRAM = "fau-data"


def main(argv: list[str] | None = None) -> int:
    """Run ``fau-data``.

    Args:
        argv: Arguments after the program's name; those of the process when None.

    Returns:
        Exit status: 0 well, 1 when ``check`` finds a fault, 2 after bad input.
    """
    arguments = sys.argv[1:] if argv is None else argv
    options = _parser(with_corpora=arguments[:1] == ["prepare"]).parse_args(arguments)
    return guarded(PROGRAM, lambda: int(options.run(options)), resumes=arguments[:1] == ["prepare"])


def _parser(with_corpora: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Make, check and look at crop sets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    make = commands.add_parser("synthesize", help="draw a corpus of faces", description=_SYNTHESIZE)
    make.add_argument("out", type=Path, metavar="OUT", help="folder to make; it must not exist")
    _add_recipe(make)
    make.add_argument("--workers", type=int, metavar="N", help="processes; 0 draws in this one (default: one a core)")
    make.add_argument("--quiet", action="store_true", help="print nothing when done")
    make.set_defaults(run=_synthesize)

    add_check(commands)
    add_preview(commands)

    add_info(commands)
    add_prepare(commands, with_corpora)  # all readers are imported for their options
    add_identify(commands)
    return parser


_SYNTHESIZE = (
    "Draw a corpus of faces and write it as a crop set. The same settings and seed give the same bytes on any number "
    "of workers. Settings that are not given are the recipe's."
)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    default = RECIPES["synthetic"]
    parser.add_argument("--recipe", default=default.name, metavar="NAME", help=f"one of {', '.join(RECIPES)}")
    for flag, text in {
        "subjects": "people",
        "tasks": "sequences a subject, one a target expression",
        "frames": "frames a sequence",
        "seed": "seed of everything",
        "size": "height and width of a crop in pixels",
        "occurrence_threshold": "least intensity that counts as present",
    }.items():
        help_ = f"{text} (recipe synthetic: {getattr(default, flag)})"
        parser.add_argument(f"--{flag.replace('_', '-')}", type=int, metavar="N", help=help_)
    text = "how many times as many sequences aim at the commonest expression as at the rarest (default: the recipe's)"
    parser.add_argument("--imbalance", type=float, metavar="X", help=text)


def _recipe(options: argparse.Namespace) -> Recipe:
    flags = ("subjects", "tasks", "frames", "seed", "size", "occurrence_threshold", "imbalance")
    return named_recipe(options.recipe, **{flag: getattr(options, flag) for flag in flags})


def _terminate(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(EXIT_TERMINATED)  # an exception, so that temporary folders are removed on the way out


def _synthesize(options: argparse.Namespace) -> int:
    recipe = _recipe(options)
    from fau.synthetic.corpus import synthesize

    before = signal.signal(signal.SIGTERM, _terminate)
    start = perf_counter()
    try:
        synthesize(recipe, options.out, options.workers)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; nothing was written", file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)
    if not options.quiet:
        seconds = perf_counter() - start
        print(f"{options.out}: {counted(recipe.crops, 'crop')} of {recipe.size} px in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
