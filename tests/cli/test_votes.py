"""Learning from votes: what is read of them, what is learned, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from fau.cli.train import main
from fau.crops.store import CropSet
from fau.data.datamodule import FaceDataModule
from fau.data.votes import read_shares
from fau.errors import FauError
from fau.labels import EXPRESSION_SETS
from fau.runs import ledger

CONFIG = str(Path(__file__).parents[2] / "experiments" / "expression.yaml")
CLASSES = EXPRESSION_SETS["affectnet8"]


def _table(cropset: CropSet) -> pl.DataFrame:
    """Votes as FER+ has them: six for the class that a crop shows, three for the one after it, one for another."""
    shown = cropset.manifest["expression"].to_list()
    votes = np.zeros((len(shown), len(CLASSES)), np.uint8)
    for row, name in zip(votes, shown, strict=True):
        at = CLASSES.index(name or "neutral")
        row[[at, (at + 1) % len(CLASSES), (at + 2) % len(CLASSES)]] = 6, 3, 1
    return pl.DataFrame(
        {"id": cropset.manifest["id"]} | {f"votes_{n}": v for n, v in zip(CLASSES, votes.T, strict=True)}
    )


@pytest.fixture(scope="module")
def voted(tiny_cropset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crop set with votes."""
    out = tmp_path_factory.mktemp("votes") / "crops"
    shutil.copytree(tiny_cropset, out)
    _table(CropSet.open(out)).write_parquet(out / "extras.parquet")
    return out


def test_shares_by_hand(voted: Path, tmp_path: Path) -> None:
    shares = read_shares(CropSet.open(voted), CLASSES)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    assert np.unique(shares.round(4)).tolist() == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-4)
    few = tmp_path / "few"
    shutil.copytree(voted, few)
    _table(CropSet.open(few)).with_columns(pl.lit(1).alias(f"votes_{name}") for name in CLASSES).write_parquet(
        few / "extras.parquet"
    )
    assert np.isnan(read_shares(CropSet.open(few), CLASSES)).all()  # single votes alone
    data = FaceDataModule(str(few), "affectnet8", folds=3, votes=True)
    data.setup()
    np.testing.assert_array_equal(data.targets.votes, data.targets.present)


def test_classes_left_out_have_no_share(voted: Path) -> None:
    """Of the seven classes, three votes for contempt are not counted."""
    cropset = CropSet.open(voted)
    surprise = np.flatnonzero(cropset.manifest["expression"] == "surprise")
    assert CLASSES[-2:] == ("surprise", "contempt") and len(surprise)
    np.testing.assert_array_equal(read_shares(cropset, CLASSES[:-1])[surprise], np.eye(7)[[6] * len(surprise)])


def _train(voted: Path, root: Path, tiny_args: list[str], *more: str) -> int:
    crops = ["--data.crop_set", str(voted), "--trainer.max_epochs", "1"]
    return main(["--config", CONFIG, *tiny_args, *crops, "--wandb", "disabled", "--runs", str(root), *more])


def test_votes_are_learned_and_classes_scored(
    voted: Path, tmp_path: Path, tiny_args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fau.modules.tasks as tasks

    learned: list[torch.Tensor] = []
    whole = tasks.masked_soft_cross_entropy

    def watch(logits: torch.Tensor, share: torch.Tensor, *more: Any) -> Any:
        learned.append(share)
        return whole(logits, share, *more)

    monkeypatch.setattr(tasks, "masked_soft_cross_entropy", watch)
    assert _train(voted, tmp_path, tiny_args) == 0 and not learned
    assert _train(voted, tmp_path, tiny_args, "--data.votes=true") == 0
    highest = torch.cat(learned).max(1)[0]
    torch.testing.assert_close(highest, torch.full_like(highest, 2 / 3))
    one, other = (run.arrays("predictions.npz") for run in ledger(tmp_path))
    np.testing.assert_array_equal(one["test/expression/label"], other["test/expression/label"])
    assert not np.array_equal(one["test/expression/score"], other["test/expression/score"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model.focal_gamma=2"], "data.votes gives them several"),
        (["--data.label_set=affwild8"], "shows no other"),
        (["--data.label_set=neutral,happiness", "--data.crop_set={plain}"], "keeps no votes, which"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    more: list[str],
    said: str,
    voted: Path,
    tiny_cropset: Path,
    tiny_args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [word.format(plain=tiny_cropset) for word in more]
    assert _train(voted, tmp_path, tiny_args, "--data.votes=true", *words) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_votes_that_do_not_fit_are_refused(voted: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    shutil.copytree(voted, crops)
    cropset, file = CropSet.open(crops), crops / "extras.parquet"
    table = _table(cropset)
    table.drop("votes_fear").write_parquet(file)
    with pytest.raises(
        FauError, match=r"no votes of fear, which data.votes learns from; it has those of neutral, anger"
    ):
        read_shares(cropset, CLASSES)
    table.select("id").write_parquet(file)
    with pytest.raises(FauError, match=r"no votes of neutral, .* learns from: set it to false"):
        read_shares(cropset, CLASSES)
    table.reverse().write_parquet(file)
    with pytest.raises(FauError, match="does not list the crops of the manifest"):
        read_shares(cropset, CLASSES)
    file.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(FauError, match="holds no table of votes"):
        read_shares(cropset, CLASSES)
    with pytest.raises(FauError, match="label set 'bp4d12' has none"):
        FaceDataModule(str(voted), "bp4d12", folds=3, votes=True).setup()
