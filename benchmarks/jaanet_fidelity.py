"""Compare our JAA-Net with the authors', from equal weights: outputs, maps, losses, gradients, running statistics.

    git clone https://github.com/ZhiwenShao/PyTorch-JAANet /tmp/PyTorch-JAANet
    python benchmarks/jaanet_fidelity.py /tmp/PyTorch-JAANet  # writes benchmarks/results/jaanet_fidelity.md

Prints max|a - b| / max|b|, b the authors', over each kind of tensor the greatest. Batch-norm statistics and affine
parameters are moved from their start; landmarks are put over the image and beyond its borders.
"""

from __future__ import annotations

import copy
import os
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from compared import LIMITS, fidelity_table, parser, relative, verdict, worst
from jaanet_official import Given, Official, load, losses, renamed, training_loss
from megraphau_official import commit, perturb
from torch import Tensor

from fau.losses import landmark_loss, masked_bce, refinement_loss, weighted_dice
from fau.nets.jaanet import PUBLISHED, JAANet, JAAOutput

SIDE = 176
COLUMNS = [
    *("scores", "local scores", "landmarks", "initial maps", "maps", "loss"),
    *("gradients", "gradients near 0", "running statistics"),
]


def our_loss(output: JAAOutput, label: Tensor, landmarks: Tensor, weight: Tensor) -> Tensor:
    """Return the loss of the authors' training script by our functions."""
    mask = torch.ones_like(label, dtype=torch.bool)
    loss = 0.5 * landmark_loss(output.landmarks, landmarks).mean()
    for logits in (output.logits, output.local_logits):
        if logits is not None:
            loss = loss + masked_bce(logits, label, mask, label_weight=weight).mean()
            loss = loss + weighted_dice(logits.sigmoid(), label, mask, weight, over_batch=True).mean()
    if output.local_logits is None:
        loss = loss + 2e-4 / 2 * refinement_loss(output.maps, output.initial_maps).mean()
    return loss


def compare(checkout: Path, version: int, aus: int, dtype: torch.dtype, train: bool, batch: int) -> dict[str, float]:
    """Run both once and return the differences by what is compared."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(3)
    theirs = Official(load(checkout), aus, version)
    with torch.no_grad():
        theirs.align_net.align_output[1].bias.copy_(SIDE / 2 + SIDE / 3 * torch.randn(98))
    perturb(theirs, seed=4, size=SIDE)
    theirs = theirs.to(dtype).train(train)
    ours = JAANet(aus, version=1 if version == 1 else 2, aus=PUBLISHED[aus]).to(dtype).train(train)
    ours.load_state_dict(renamed(theirs, copy.deepcopy(theirs.state_dict())))
    torch.set_default_dtype(dtype)  # that of their maps
    image = torch.randn(batch, 3, SIDE, SIDE)
    label = torch.randint(0, 2, (batch, aus)).to(dtype)
    landmarks = SIDE * torch.rand(batch, 49, 2)
    weight = 0.5 + torch.rand(aus)

    made = theirs(image)
    their_loss = training_loss(losses(checkout), made, label, landmarks, weight)
    their_loss.backward()
    output: JAAOutput = ours(image)
    loss = our_loss(output, label, landmarks, weight)
    loss.backward()

    gradients = renamed(theirs, {name: value.grad for name, value in theirs.named_parameters()})
    ours_by_name = {name: value.grad for name, value in ours.named_parameters() if value.grad is not None}
    # where the mathematics gives none (a bias before a batch norm), both are rounding: compared by the largest of all
    scale = max(float(value.abs().max()) for value in gradients.values())
    floor = (1e-5 if dtype == torch.float32 else 1e-6) * scale
    compared = {key for key, value in gradients.items() if float(value.abs().max()) > floor}
    statistics = {key: value for key, value in renamed(theirs, theirs.state_dict()).items() if "running_" in key}
    differences = {
        "scores": relative(output.scores, made["log"][:, 1].exp()),
        "landmarks": relative(output.landmarks.flatten(1), made["landmarks"]),
        "initial maps": relative(output.initial_maps, made["initial maps"]),
        "maps": relative(output.maps, made["maps"]),
        "loss": relative(loss, their_loss),
        "gradients": worst({k: ours_by_name[k] for k in compared}, {k: gradients[k] for k in compared}),
        "gradients near 0": max(
            (float((ours_by_name[k] - gradients[k]).abs().max()) / scale for k in set(gradients) - compared),
            default=0.0,
        ),
        "running statistics": worst({k: v for k, v in ours.state_dict().items() if k in statistics}, statistics),
    }
    if output.local_logits is not None:
        differences["local scores"] = relative(output.local_logits.sigmoid(), made["local log"][:, 1].exp())
    return differences


def map_difference(checkout: Path, aus: int, dtype: torch.dtype, faces: int = 60) -> float:
    """Return the greatest difference of maps from the same landmarks, within and beyond the image, at ties too."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    points = SIDE / 2 + 70 * torch.randn(faces, 49, 2)
    points[: faces // 3] = (2 * points[: faces // 3]).round() / 2  # centres halfway between cells
    align = load(checkout).AlignNet(SIDE, SIDE // 4, aus, 49, 64, 8)
    align.align_feat, align.align_output = Given(torch.zeros(faces, 1)), Given(points.flatten(1))
    ours = JAANet(aus, aus=PUBLISHED[aus], unit=1).initial_maps(points)
    return float((ours - align(torch.zeros(1))[2]).abs().max())


def main() -> None:
    """Compare and write the table."""
    made = parser(__doc__.splitlines()[0], "jaanet_fidelity.md")
    made.add_argument("--batch", type=int, default=2)
    arguments = made.parse_args()
    found = []
    maps = {dtype: max(map_difference(arguments.checkout, aus, dtype) for aus in PUBLISHED) for dtype in LIMITS}
    beyond = [f"maps of random landmarks: {apart:.1e}" for dtype, apart in maps.items() if apart > LIMITS[dtype]]
    # the AUs of BP4D, DISFA and GFT
    for version, aus, dtype, train in product((1, 2), (12, 8, 10), LIMITS, (False, True)):
        differences = compare(arguments.checkout, version, aus, dtype, train, arguments.batch)
        found.append(([str(version), str(aus), str(dtype)[6:], "train" if train else "eval"], dtype, differences))
        print(*found[-1][0], *(f"{key} {value:.1e}" for key, value in differences.items()), flush=True)
    arguments.out.write_text(
        f"""# JAA-Net: ours beside the authors'

`python benchmarks/jaanet_fidelity.py CHECKOUT`, ZhiwenShao/PyTorch-JAANet at commit {commit(arguments.checkout)},
torch {torch.__version__}, CPU, batch {arguments.batch}, {SIDE} px. max|a - b| / max|b| from equal weights, with
batch-norm statistics and affine parameters moved from their start and landmarks over the image and beyond its borders.
Loss: all of the training script's, with weights of AUs and its Dice over the batch.

Limits: 1e-5 in float32 and 1e-9 in float64 for outputs, maps, losses and running statistics, 1e-9 for gradients in
float64. Gradients in float32 are shown without a limit: rounding alone can put a ReLU on its other side, in either
code. {verdict(found, beyond)}

"gradients near 0" are those that the mathematics makes zero (biases before a batch norm): their rounding, relative to
the largest gradient.

Initial maps of 180 sets of random landmarks, beyond the borders and halfway between cells too, differ by at most
{maps[torch.float32]:.1e} in float32 and {maps[torch.float64]:.1e} in float64: no cell is another.

{fidelity_table(["version", "AUs", "precision", "mode"], COLUMNS, found)}
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
