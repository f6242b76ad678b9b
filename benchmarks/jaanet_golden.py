"""Write what the authors' JAA-Net gives for weights from a formula: numbers that the tests hold ours to, without it.

    git clone https://github.com/ZhiwenShao/PyTorch-JAANet /tmp/PyTorch-JAANet
    python benchmarks/jaanet_golden.py /tmp/PyTorch-JAANet  # writes tests/nets/data/jaanet_golden.json

Small widths and images, float64. Weights are made by our names and laid out as theirs.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from compared import parser
from jaanet_official import Official, load, losses, renamed, training_loss
from megraphau_golden import wave
from megraphau_official import commit
from torch import Tensor

from fau.nets.jaanet import JAANet
from fau.nets.jaanet_weights import from_authors

BATCH, SIZE, UNIT = 3, 64, 1


def own_weights(aus: int, version: int) -> dict[str, Tensor]:
    """Return weights of our network that any machine makes alike; its landmarks come out over the whole image."""
    state = JAANet(aus, version=1 if version == 1 else 2, input_size=SIZE, unit=UNIT).state_dict()
    made = {}
    for index, key in enumerate(sorted(state)):
        values = wave(index, state[key].shape)
        if key.endswith("num_batches_tracked"):
            made[key] = torch.zeros_like(state[key])
        elif key.endswith("running_var"):
            made[key] = 1 + 0.5 * values
        elif values.ndim > 1:
            made[key] = values * (2 / values[0].numel()) ** 0.5
        else:
            made[key] = (1 if key.endswith("weight") else 0) + 0.2 * values
    made["landmark_head.1.bias"] = SIZE / 2 + SIZE / 2 * wave(5, (98,))
    return made


def theirs_from(net: Official, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lay our weights out under their keys; ``main`` checks that ``from_authors`` makes them ours again."""
    taken: dict[str, Tensor] = {}
    used: dict[str, int] = {}
    for key, value in net.state_dict().items():
        name = _own_name(key)
        at = used.get(name, 0)
        used[name] = at + (len(value) if value.ndim else 0)
        taken[key] = own[name][at : at + len(value)] if value.ndim else own[name]
    return taken


def _own_name(key: str) -> str:
    """Return our name for a key of theirs of any group."""
    parts = key.split(".")
    numbered = {"local_aus_attention", "local_aus_branch", "local_aus_output", "bns", "convs"}
    zeroed = ["0" if at and parts[at - 1] in numbered else part for at, part in enumerate(parts)]
    return next(iter(from_authors({".".join(zeroed): torch.zeros(1)})))


def digest(tensors: dict[str, Tensor]) -> dict[str, list[float]]:
    """Return of each tensor its sum of magnitudes and its product with a wave."""
    return {
        key: [float(value.abs().sum()), float((value * wave(0, value.shape)).sum())]
        for key, value in sorted(tensors.items())
    }


def main() -> None:
    """Run both versions in both modes and write the file."""
    arguments = parser(__doc__.splitlines()[0], "../../tests/nets/data/jaanet_golden.json").parse_args()
    torch.set_default_dtype(torch.float64)  # that of their maps
    module, functions = load(arguments.checkout), losses(arguments.checkout)
    source = f"ZhiwenShao/PyTorch-JAANet at commit {commit(arguments.checkout)}"
    golden: dict[str, Any] = {"source": source, "cases": {}}
    for version, aus, train in ((1, 12, True), (1, 8, False), (2, 12, False), (2, 8, True)):
        net = Official(module, aus, version, SIZE, UNIT).train(train)
        own = own_weights(aus, version)
        net.load_state_dict(theirs_from(net, own))
        back = renamed(net, net.state_dict())
        if not all(torch.equal(back[key], own[key]) for key in own):
            raise SystemExit("the weights' names do not go to and fro")
        output = net(wave(7, (BATCH, 3, SIZE, SIZE)))
        label = (torch.arange(BATCH * aus).view(BATCH, aus) % 3 == 0).double()
        landmarks = SIZE / 2 + SIZE / 3 * wave(3, (BATCH, 49, 2))
        weight = 0.5 + torch.arange(aus) / aus
        loss = training_loss(functions, output, label, landmarks, weight)
        loss.backward()
        gradients = renamed(net, {key: value.grad for key, value in net.named_parameters()})
        running = {key: value for key, value in renamed(net, net.state_dict()).items() if "running" in key}
        golden["cases"][f"{version} {aus} {'train' if train else 'eval'}"] = {
            "probability": output["log"][:, 1].exp().flatten().tolist(),
            "local probability": output["local log"][:, 1].exp().flatten().tolist() if version == 2 else [],
            "landmarks": output["landmarks"][0, :12].tolist(),
            "maps": digest({"initial": output["initial maps"], "refined": output["maps"]}),
            "loss": float(loss),
            "gradients": digest(gradients),
            "running": digest(running),
        }
    arguments.out.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
