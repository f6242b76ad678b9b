"""What several people voted of a crop, as shares of the classes: soft labels of expressions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.errors import FauError

_FILE, _PREFIX = "extras.parquet", "votes_"
_LEAST = 2  # votes of a class that count: single ones are taken for slips, as by FER+'s owner


def read_shares(cropset: CropSet, classes: Sequence[str]) -> NDArray[np.float32]:
    """Return each crop's votes as shares of some classes.

    The target of FER+'s cross-entropy (Barsoum et al., "Training Deep Networks for Facial Expression Recognition with
    Crowd-Sourced Label Distribution", ICMI 2016), among those classes alone that are learned: single votes are left
    out, and the rest is divided by its sum.

    Args:
        cropset: Its ``extras.parquet`` holds a column of votes a class.
        classes: Names of the classes.

    Returns:
        (N, K), rows that sum to 1; a row of NaN where no class has votes that count.

    Raises:
        FauError: If there are no votes, or not of these classes, or of other crops.
    """
    file, asked = cropset.path / _FILE, f"crop set '{cropset.info.name}' keeps no votes"
    if not file.is_file():
        raise FauError(f"{asked}, which data.votes learns from; set it to false, or prepare a corpus of votes (FER+)")
    try:
        table = pl.read_parquet(file)
        known = [column.removeprefix(_PREFIX) for column in table.columns if column.startswith(_PREFIX)]
        if lacking := [label for label in classes if label not in known]:
            of = f"; it has those of {', '.join(known)}: choose another label set" if known else ": set it to false"
            raise FauError(f"{asked} of {', '.join(lacking)}, which data.votes learns from{of}")
        votes = table.select(pl.col(_PREFIX + label).cast(pl.Float64).fill_null(0.0) for label in classes).to_numpy()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FauError(f"'{file}' holds no table of votes; prepare the crop set again") from error
    if "id" not in table.columns or not table["id"].equals(cropset.manifest["id"]):
        raise FauError(f"'{file}' does not list the crops of the manifest; prepare the crop set again")
    counted = np.where(votes >= _LEAST, votes, 0.0)
    total = counted.sum(1, keepdims=True)
    shares = np.divide(counted, total, out=np.full_like(counted, np.nan), where=total > 0)
    return np.asarray(shares, np.float32)
