"""Compare our ME-GraphAU with the authors', from equal weights: outputs, losses, gradients, running statistics.

    git clone https://github.com/CVI-SZU/ME-GraphAU /tmp/ME-GraphAU
    python benchmarks/megraphau_fidelity.py /tmp/ME-GraphAU  # writes benchmarks/results/megraphau_fidelity.md

Prints max|a - b| / max|b|, b the authors', over each kind of tensor the greatest. Batch-norm statistics and affine
parameters are moved from their start, dropped paths are off.
"""

from __future__ import annotations

import copy
import os
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from compared import LIMITS, fidelity_table, parser, relative, verdict, worst
from megraphau_official import TRUNKS, commit, load, loss_class, perturb
from torch.nn import functional

from fau.losses import edge_cross_entropy, weighted_asymmetric
from fau.nets.megraphau import GraphOutput, MEGraphAUStage1, MEGraphAUStage2
from fau.nets.megraphau_weights import from_authors

OURS = {1: MEGraphAUStage1, 2: MEGraphAUStage2}
LAMBDA = 0.05


def compare(
    checkout: Path, stage: int, trunk: str, aus: int, dtype: torch.dtype, train: bool, batch: int
) -> dict[str, float]:
    """Run both once and return the differences by what is compared."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(3)
    layout = "opengraphau" if aus == 41 else "megraphau"
    settings = {"neighbor_num": 3 if aus == 8 else 4} if stage == 1 else {}
    outputs = {"num_main_classes": 27, "num_sub_classes": 14} if aus == 41 else {"num_classes": aus}
    theirs = load(checkout, layout)[stage].MEFARG(**outputs, backbone=TRUNKS[trunk], **settings)
    perturb(theirs, seed=4)
    theirs = theirs.to(dtype).train(train)
    if stage == 2:  # no buffers, so that .to() leaves them
        theirs.head.gnn.start, theirs.head.gnn.end = theirs.head.gnn.start.to(dtype), theirs.head.gnn.end.to(dtype)
    options: dict[str, Any] = {"options": {"drop_path_rate": 0.0}} if trunk.startswith("swin") else {}
    ours = OURS[stage](
        aus, trunk=trunk, layout=layout, **({"neighbours": settings["neighbor_num"]} if settings else {}), **options
    )
    ours = ours.to(dtype).train(train)
    ours.load_state_dict(from_authors(copy.deepcopy(theirs.state_dict())))
    torch.set_default_dtype(dtype)
    image = torch.randn(batch, 3, 224, 224, dtype=dtype)
    label = torch.randint(0, 2, (batch, aus)).to(dtype)
    weight = 0.5 + torch.rand(aus, dtype=dtype)

    made = theirs(image)
    their_scores, their_edges = made if isinstance(made, tuple) else (made, None)
    loss = loss_class(checkout)(weight=weight)(their_scores, label)
    if their_edges is not None:
        relation = (2 * label.unsqueeze(2) + label.unsqueeze(1)).long()
        loss = loss + LAMBDA * functional.cross_entropy(their_edges.view(-1, 4), relation.view(-1))
    loss.backward()

    output: GraphOutput = ours(image)
    mask = torch.ones_like(label, dtype=torch.bool)
    our_loss = weighted_asymmetric(output.probability, label, mask, weight).mean()
    if output.edge_logits is not None:
        our_loss = our_loss + LAMBDA * edge_cross_entropy(output.edge_logits, label, mask).mean()
    our_loss.backward()

    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters() if parameter.grad is not None}
    ours_by_name = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    renamed = from_authors(gradients)
    # where the mathematics gives none (a bias before a batch norm), both are rounding: compared by the largest of all
    scale = max(float(value.abs().max()) for value in renamed.values())
    floor = 1e-6 * scale
    compared = {key for key, value in renamed.items() if float(value.abs().max()) > floor}
    statistics = {key: value for key, value in from_authors(theirs.state_dict()).items() if "running_" in key}
    differences = {
        "scores": relative(output.probability, their_scores),
        "loss": relative(our_loss.detach(), loss.detach()),
        "gradients": worst({k: ours_by_name[k] for k in compared}, {k: renamed[k] for k in compared}),
        "gradients near 0": max(
            (float((ours_by_name[k] - renamed[k]).abs().max()) / scale for k in set(renamed) - compared), default=0.0
        ),
        "running statistics": worst({k: v for k, v in ours.state_dict().items() if k in statistics}, statistics),
    }
    if their_edges is not None and output.edge_logits is not None:
        differences["edge logits"] = relative(output.edge_logits, their_edges)
    return differences


def main() -> None:
    """Compare and write the table."""
    made = parser(__doc__.splitlines()[0], "megraphau_fidelity.md")
    made.add_argument("--trunks", nargs="+", default=list(TRUNKS), choices=sorted(TRUNKS))
    made.add_argument("--batch", type=int, default=2)
    arguments = made.parse_args()
    columns = ["scores", "edge logits", "loss", "gradients", "gradients near 0", "running statistics"]
    found = []
    # BP4D's AUs, DISFA's, and the outputs of OpenGraphAU
    networks = [(trunk, 12) for trunk in arguments.trunks] + [(arguments.trunks[0], aus) for aus in (8, 41)]
    for (trunk, aus), stage, dtype, train in product(networks, (1, 2), LIMITS, (False, True)):
        differences = compare(arguments.checkout, stage, trunk, aus, dtype, train, arguments.batch)
        found.append(([trunk, str(aus), str(stage), str(dtype)[6:], "train" if train else "eval"], dtype, differences))
        print(*found[-1][0], *(f"{key} {value:.1e}" for key, value in differences.items()), flush=True)
    arguments.out.write_text(
        f"""# ME-GraphAU: ours beside the authors'

`python benchmarks/megraphau_fidelity.py CHECKOUT`, CVI-SZU/ME-GraphAU at commit {commit(arguments.checkout)},
torch {torch.__version__}, CPU, batch {arguments.batch}, 224 px. max|a - b| / max|b| from equal weights, with batch-norm
statistics and affine parameters moved from their start and dropped paths off; loss: weighted asymmetric with weights of
AUs, in stage 2 plus {LAMBDA} times the edge loss. With 41 outputs the network is OpenGraphAU, which has no edge loss.

Limits: 1e-5 in float32 and 1e-9 in float64 for outputs, losses and running statistics, 1e-9 for gradients in float64.
Gradients in float32 are shown without a limit: rounding alone can put a ReLU on its other side, in either code.
{verdict(found)}

"gradients near 0" are those that the mathematics makes zero (biases before a batch norm): their rounding, relative to
the largest gradient.

{fidelity_table(["trunk", "AUs", "stage", "precision", "mode"], columns, found)}
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
