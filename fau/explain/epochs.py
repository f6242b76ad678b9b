"""How a network's look changes while it trains: maps of a few faces, kept each epoch.

fau-train --trainer.callbacks+=fau.explain.epochs.EpochMaps
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray

from fau.atomic import write_atomically
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.explain import cam
from fau.explain.draw import TILE, Line, Picture, overlay, resized, sheet, top_of
from fau.explain.faces import Faces, Pool, inputs
from fau.explain.maps import METHODS, Maps, make_maps, methods
from fau.explain.page import Look, write
from fau.explain.sheets import Drawing
from fau.modules.base import FaceModule

FOLDER = "explain"
_EPOCHS = "epochs"
_FILE = re.compile(r"(\d+)\.npz")
_COLUMNS = 9  # epochs in a sheet, the first and the last among them


class EpochMaps(Callback):
    """Keeps maps of a few validation faces after each epoch, and draws them side by side when training ends.

    Only looks: weights, random numbers and scores are what they would be without it. But what is configured decides a
    run's id, so a run with it is another one than without. Without a validation part the faces are of the training
    part, as they are in the crop set.

    Args:
        faces: How many faces, each showing another label where that goes.
        method: ``attention``, ``cam`` or ``rollout``; None takes the first that the network has.

    Raises:
        FauError: If a setting cannot be.
    """

    def __init__(self, faces: int = 4, method: str | None = None) -> None:
        if faces < 1:
            raise FauError(f"faces {faces} of EpochMaps is too small; give 1 or more")
        if method is not None and (method not in METHODS or method == "heads"):
            raise FauError(f"method '{method}' of EpochMaps is unknown; choose among attention, cam, rollout")
        self.faces = faces
        self.method = method
        self._shown: tuple[Faces, list[int]] | None = None
        self._part = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the faces, and say at once where their maps cannot be made."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(data, FaceDataModule) or not isinstance(pl_module, FaceModule):
            return
        self._part = "validation" if len(data.split.val) else "training"
        self._shown = _choose(data, self.faces)
        if self.method is None:
            self.method = methods(pl_module, self._shown[0].take([0]))[0]
        if self.method == "cam" and not cam.installed():
            raise FauError(cam.MISSING)
        if trainer.current_epoch == 0:
            self._keep(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the epoch's maps."""
        if self._shown is not None and isinstance(pl_module, FaceModule):
            self._keep(trainer, pl_module, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw what was kept."""
        if self._shown is None:
            return
        folder = Path(trainer.default_root_dir) / FOLDER
        drawing = epoch_sheet(folder)
        if drawing is not None:
            about = {"network": type(pl_module.net).__name__, "checkpoint": "", "part": self._part}
            write(Look(about, [drawing]), folder, "While it trained", folder.parent.name)

    def _keep(self, trainer: Trainer, module: FaceModule, epoch: int) -> None:
        if self._shown is None or self.method is None:
            return
        faces, labels = self._shown
        maps = make_maps(module, faces, self.method, sorted(set(labels)))
        values = np.stack([maps.of_label(label)[i] for i, label in enumerate(labels)])
        names = [module.labels[label] for label in labels]  # type: ignore[index]
        content = {
            "maps": values,
            "faces": inputs(module, faces),
            "labels": np.array(names if maps.values.shape[1] > 1 else [""] * len(names), np.str_),
            "method": np.array(self.method),
            "part": np.array(self._part),
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **content)
        folder = Path(trainer.default_root_dir) / FOLDER / _EPOCHS
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{epoch:04d}.npz", buffer.getvalue())


def _choose(data: FaceDataModule, number: int) -> tuple[Faces, list[int]]:
    """Return faces and the label that each is shown for: labels spread over the set, subjects not yet taken first."""
    rows = data.split.val if len(data.split.val) else data.split.train
    present = data.targets.present[rows] * data.targets.coded[rows] == 1
    able = np.flatnonzero(present.any(axis=0))
    if not len(able):
        raise FauError("no validation face shows a label, so EpochMaps has nothing to look at; leave it out")
    labels = able[np.linspace(0, len(able) - 1, num=min(number, len(able))).round().astype(int)].tolist()
    labels = [labels[i % len(labels)] for i in range(number)]
    taken: list[int] = []
    groups = data.groups[rows]
    for label in labels:
        fresh = [i for i in np.flatnonzero(present[:, label]).tolist() if i not in taken]
        if fresh:
            used = {groups[i] for i in taken}
            taken.append(next((i for i in fresh if groups[i] not in used), fresh[0]))
    return Pool(data.cropset, rows).take(taken), labels[: len(taken)]


def epoch_sheet(folder: Path) -> Drawing | None:
    """Draw the maps that a training left: a face a line, an epoch a column; None where there are none.

    Args:
        folder: A run's ``explain``.

    Raises:
        FauError: If a file is damaged.
    """
    files = {int(match[1]): file for file in (folder / _EPOCHS).glob("*.npz") if (match := _FILE.fullmatch(file.name))}
    if len(files) < 2:
        return None
    shown = sorted(files)
    shown = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, num=_COLUMNS).round().astype(int))]
    kept = [_read(files[epoch]) for epoch in shown]
    method = str(kept[0]["method"])
    densities = [Maps(method, np.asarray(one["maps"][:, None], np.float32)).density(TILE)[:, 0] for one in kept]
    top = top_of(densities)
    lines = []
    for i, face in enumerate(kept[-1]["faces"]):
        picture = resized(face, TILE)
        cells: list[Picture | None] = [picture, *(overlay(picture, density[i], top) for density in densities)]
        lines.append(Line(str(kept[-1]["labels"][i]), cells))
    headings = [(0, "face"), *((i + 1, f"epoch {epoch}" if epoch else "start") for i, epoch in enumerate(shown))]
    caption = f"{METHODS[method]} after each epoch, of faces of the {kept[-1]['part']} part."
    return Drawing("epochs", "epochs", "While it trained", caption, sheet(lines, headings, top))


def _read(file: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in ("maps", "faces", "labels", "method", "part")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FauError(f"'{file}' cannot be read ({error}); remove it") from error
