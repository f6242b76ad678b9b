"""Write what the authors' heads give for weights from a formula: numbers that the tests hold ours to, without them.

    git clone https://github.com/CVI-SZU/ME-GraphAU /tmp/ME-GraphAU
    python benchmarks/megraphau_golden.py /tmp/ME-GraphAU  # writes tests/nets/data/megraphau_golden.json

The trunk is left out (timm's are checked in megraphau_fidelity.py): a map goes into their projection and head. float64.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from compared import parser
from megraphau_official import commit, load, loss_class
from torch import Tensor, nn
from torch.nn import functional

from fau.nets.megraphau_weights import from_authors

BATCH, AUS, IN, WIDTH, SIDE = 2, 5, 96, 8, 3  # 96: the last map of timm's test_resnet
LAMBDA = 0.05


def wave(index: int, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """Return numbers in -1..1 that any machine makes alike."""
    count = torch.Size(shape).numel()
    return torch.sin(0.37 * (index + 1) + 1.3 * torch.arange(count, dtype=torch.float64)).view(shape)


def fill(index: int, key: str, like: Tensor) -> Tensor:
    """Return the value of the index-th entry of the sorted state dict."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros_like(like)
    values = wave(index, like.shape)
    if key.endswith("running_var"):
        return 1 + 0.5 * values
    if like.ndim == 2:
        return values * (2 / like.shape[0]) ** 0.5
    return (1 if key.endswith("weight") else 0) + 0.2 * values


class Head(nn.Module):
    """Their projection and head, under the names of their network."""

    def __init__(self, stage: Any, number: int) -> None:
        super().__init__()
        self.global_linear = stage.LinearBlock(IN, WIDTH)
        self.head = stage.Head(WIDTH, AUS, **({"neighbor_num": 3} if number == 1 else {}))

    def forward(self, features: Tensor) -> Any:
        """Return what theirs does for the trunk's map."""
        return self.head(self.global_linear(features.flatten(2).transpose(1, 2)))


def digest(tensors: dict[str, Tensor]) -> dict[str, list[float]]:
    """Return of each tensor, under our names, its sum of magnitudes and its product with a wave."""
    return {
        key: [float(value.abs().sum()), float((value * wave(0, value.shape)).sum())]
        for key, value in sorted(from_authors(tensors).items())
    }


def main() -> None:
    """Run both stages in both modes and write the file."""
    arguments = parser(__doc__.splitlines()[0], "../../tests/nets/data/megraphau_golden.json").parse_args()
    stages = load(arguments.checkout)
    features = wave(7, (BATCH, IN, SIDE, SIDE))
    label = (torch.arange(BATCH * AUS).view(BATCH, AUS) % 3 == 0).double()
    weight = 0.5 + torch.arange(AUS, dtype=torch.float64) / AUS
    golden: dict[str, Any] = {"source": f"CVI-SZU/ME-GraphAU at commit {commit(arguments.checkout)}", "cases": {}}
    for number in (1, 2):
        for train in (False, True):
            torch.set_default_dtype(torch.float32)
            net = Head(stages[number], number).double().train(train)
            torch.set_default_dtype(torch.float64)
            if number == 2:
                net.head.gnn.start, net.head.gnn.end = net.head.gnn.start.double(), net.head.gnn.end.double()
            state = net.state_dict()
            keys = sorted(state)
            golden.setdefault("shapes", {})[str(number)] = {key: list(state[key].shape) for key in keys}
            net.load_state_dict({key: fill(index, key, state[key]) for index, key in enumerate(keys)})
            output = net(features)
            scores, edges = output if number == 2 else (output, None)
            loss = loss_class(arguments.checkout)(weight=weight)(scores, label)
            if edges is not None:
                relation = (2 * label.unsqueeze(2) + label.unsqueeze(1)).long()
                loss = loss + LAMBDA * functional.cross_entropy(edges.view(-1, 4), relation.view(-1))
            loss.backward()
            gradients = {key: value.grad for key, value in net.named_parameters() if value.grad is not None}
            running = {key: value for key, value in net.state_dict().items() if "running" in key}
            golden["cases"][f"stage {number} {'train' if train else 'eval'}"] = {
                "probability": scores.flatten().tolist(),
                "edge_logits": [] if edges is None else edges.flatten().tolist(),
                "loss": float(loss),
                "gradients": digest(gradients),
                "running": digest(running),
            }
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
