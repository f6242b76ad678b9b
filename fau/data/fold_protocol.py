"""What every protocol answers: which groups are tested, and which validate, in which fold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.data.groups import GroupTable
from fau.errors import FauError


class FoldProtocol(ABC):
    """Says in which fold each group is tested.

    Attributes:
        name: How tables and run records call it.
        folds: Number of folds.
        by_split: Whether it needs entries of the table told apart by the owner's split; see ``read_groups``.
    """

    name: str
    folds: int
    by_split: bool = False

    @abstractmethod
    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Return the fold, counted from 1, in which each group is tested, int64 (G,); 0 = in none, always trained on.

        Raises:
            FauError: If the groups do not fit the protocol.
        """

    def test_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64]:
        """Return the positions in ``table`` of the groups that ``fold`` tests.

        Raises:
            FauError: If there is no such fold or the groups do not fit the protocol.
        """
        if not 1 <= fold <= self.folds:
            raise FauError(f"fold {fold} does not exist: protocol '{self.name}' has folds 1 to {self.folds}")
        return np.flatnonzero(self.assign(table) == fold)

    def validation_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64] | None:
        """Return the positions in ``table`` of the groups that validate ``fold``; None: any of the training groups."""
        return None

    def fold_name(self, fold: int) -> str:
        """Return what ``fold`` tests by its published name, such as ``part3``; without one, the fold's number."""
        return str(fold)

    def notes(self, table: GroupTable) -> list[str]:
        """Return what a reader of the results should know of how the groups fit, one sentence each."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return what decides the folds, as plain JSON values, for the run id."""
        return {"name": self.name, "folds": self.folds}
