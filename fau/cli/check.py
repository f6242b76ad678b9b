"""``fau-data check``: verify a crop set, and say what there is to know of it."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fau.errors import FauError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fau.crops.store import CropSet

_DESCRIPTION = (
    "Verify a crop set to the last pixel; the exit status is 1 where it is damaged. Then say how its counts differ "
    "from the published ones, which crops are copies or look alike across groups, which labels are missing, and how "
    "rates differ between folds: findings, not faults."
)


def add_check(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("check", help="verify a crop set and look into it", description=_DESCRIPTION)
    parser.add_argument("path", type=Path, metavar="PATH", help="folder of the crop set")
    parser.add_argument("--all", action="store_true", help="print all tables")
    add_protocol(parser)
    parser.set_defaults(run=_check)


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the folds whose rates are counted."""
    help_ = "count rates in its folds: a protocol's name or .json file (default: the corpus's own, else kfold)"
    parser.add_argument("--protocol", metavar="NAME", help=help_)
    parser.add_argument("--folds", type=int, metavar="N", help="number of folds (default: the protocol's own)")


def divided(cropset: CropSet, protocol: str | None, folds: int | None) -> tuple[str, dict[str, NDArray[np.int64]]]:
    """Divide a crop set by a protocol.

    Args:
        cropset: The crop set.
        protocol: Its name; None takes the corpus's own, where it fits, else the owner's split or k folds, else none.
        folds: Number of folds; None takes the protocol's own.

    Returns:
        The protocol's name, and the manifest rows of its parts; no parts where none fits.

    Raises:
        FauError: If a protocol or a number of folds that was asked for does not fit.
    """
    from fau.crops.audit import origin
    from fau.data.protocols import names as protocols

    own = origin(cropset).protocol
    parts: dict[str, NDArray[np.int64]] = {}
    refused: FauError | None = None
    if protocol:
        names = [protocol]
    else:  # a corpus of which only some was delivered may not fit its own
        names = [own or "kfold", *(["official"] if cropset.manifest["split"].count() else []), "kfold"]
    for name in names:
        try:
            parts = _parts(cropset, name, folds)
            break
        except FauError as error:
            refused = error
    if refused and not parts and protocol in protocols() and folds is None:
        raise FauError(f"{refused}; of this crop set make folds: {_fitting(cropset)}") from refused
    if refused and not parts and (protocol or folds is not None):
        raise refused
    return name, parts


def _parts(cropset: CropSet, protocol: str, folds: int | None) -> dict[str, NDArray[np.int64]]:
    """Return the rows of the parts that a protocol makes; leaving one out makes as many folds as there are groups."""
    from fau.data.protocols import protocol as find_protocol
    from fau.data.split import fold_parts

    number = cropset.manifest["group"].n_unique() if protocol == "loso" and folds is None else folds
    return fold_parts(cropset, find_protocol(protocol, number))


def _fitting(cropset: CropSet) -> str:
    """Name the protocols that fit a crop set."""
    from fau.data.protocols import names

    fitting = []
    for name in names():
        with suppress(FauError):
            _parts(cropset, name, None)
            fitting.append(name)
    return ", ".join(fitting)


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console

    from fau.crops.audit import audit
    from fau.crops.audit_text import print_audit
    from fau.crops.store import CropSet

    cropset = CropSet.open(options.path)
    folds = divided(cropset, options.protocol, options.folds)  # refuses before every pixel is read
    faults = cropset.faults()
    for fault in faults:
        print(f"{options.path}: {fault}")
    if faults:
        return 1
    print(f"{options.path}: {len(cropset)} crops, no faults, id {cropset.id}")
    findings = audit(cropset, *folds)
    for sentence in findings.sentences(cropset):
        print(sentence)
    if options.all:
        print_audit(Console(), findings, cropset)
    return 0
