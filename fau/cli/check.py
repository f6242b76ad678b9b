"""``fau-data check``: verify a crop set, and say what there is to know of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fau.errors import FauError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fau.crops.audit import Audit
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


def look_into(cropset: CropSet, protocol: str | None, folds: int | None) -> Audit:
    """Audit a crop set with the rates of a protocol.

    Args:
        cropset: The crop set.
        protocol: Its name; None takes the corpus's own, where it fits, else the owner's split or k folds, else none.
        folds: Number of folds; None takes the protocol's own.

    Raises:
        FauError: If a protocol or a number of folds that was asked for does not fit.
    """
    from fau.crops.audit import audit, origin
    from fau.data.protocols import protocol as find_protocol
    from fau.data.split import fold_parts

    own = origin(cropset).protocol
    parts: dict[str, NDArray[np.int64]] = {}
    refused: FauError | None = None
    if protocol:
        names = [protocol]
    else:  # a corpus of which only some was delivered may not fit its own
        names = [own or "kfold", *(["official"] if cropset.manifest["split"].count() else []), "kfold"]
    for name in names:
        number = cropset.manifest["group"].n_unique() if name == "loso" and folds is None else folds
        try:
            parts = fold_parts(cropset, find_protocol(name, number))
            break
        except FauError as error:
            refused = error
    if refused and not parts and (protocol or folds is not None):
        raise refused
    return audit(cropset, name, parts)


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console

    from fau.crops.audit_text import print_audit
    from fau.crops.store import CropSet

    cropset = CropSet.open(options.path)
    faults = cropset.faults()
    for fault in faults:
        print(f"{options.path}: {fault}")
    if faults:
        return 1
    print(f"{options.path}: {len(cropset)} crops, no faults, id {cropset.id}")
    findings = look_into(cropset, options.protocol, options.folds)
    for sentence in findings.sentences(cropset):
        print(sentence)
    if options.all:
        print_audit(Console(), findings, cropset)
    return 0
