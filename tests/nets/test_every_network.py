"""What holds for every network: run over all that are found."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest
import torch
from networks import networks, run, small

from fau.errors import FauError
from fau.losses import masked_bce
from fau.nets.output import Net

NETWORKS = pytest.mark.parametrize("network", networks(), ids=lambda network: network.__name__)


def _images(net: Net, batch: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = net.input_size
    return torch.randn(batch, 3, size, size, generator=generator).to(memory_format=torch.channels_last)


def test_the_walk_finds_the_networks_that_we_know() -> None:
    assert {"GLACNN", "Backbone"} <= {network.__name__ for network in networks()}


@NETWORKS
@pytest.mark.parametrize("num_outputs", [1, 8, 12])
def test_output(network: type[Net], num_outputs: int) -> None:
    net = small(network, num_outputs)
    output = run(net, _images(net))
    assert output.logits.shape == (3, num_outputs)
    assert output.logits.dtype == torch.float32
    assert torch.isfinite(output.logits).all()
    assert output.scores.min() >= 0
    assert output.scores.max() <= 1
    if output.attention is not None:
        assert output.attention.ndim == 3
        torch.testing.assert_close(output.attention.sum(dim=(1, 2)), torch.ones(3))


@NETWORKS
def test_bf16_autocast(network: type[Net]) -> None:
    net = small(network).eval()
    images = _images(net)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = run(net, images)
    assert output.scores.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(output.scores, run(net, images).scores, atol=0.05, rtol=0)


@NETWORKS
def test_evaluation_is_deterministic_and_per_image(network: type[Net]) -> None:
    net = small(network).eval()
    images = _images(net, batch=4)
    with torch.no_grad():
        first, again = run(net, images).logits, run(net, images).logits
        alone = torch.cat([run(net, images[i : i + 1]).logits for i in range(4)])
    assert torch.equal(first, again)
    torch.testing.assert_close(alone, first, atol=1e-5, rtol=1e-4)


@NETWORKS
def test_memory_layout_does_not_change_the_result(network: type[Net]) -> None:
    net = small(network).eval()
    images = _images(net)
    with torch.no_grad():
        plain = run(net, images.contiguous()).logits
        net.to(memory_format=torch.channels_last)
        torch.testing.assert_close(run(net, images).logits, plain, atol=1e-5, rtol=1e-4)


@NETWORKS
def test_every_trainable_parameter_gets_a_gradient(network: type[Net]) -> None:
    """A parameter without one stops DDP."""
    torch.manual_seed(0)
    net = small(network)
    with torch.no_grad():  # residual branches that start at zero pass no gradient before their first step
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    output = run(net, _images(net))
    loss = masked_bce(output.logits, torch.ones_like(output.logits), torch.ones_like(output.logits) > 0).mean()
    for field in dataclasses.fields(output):  # what else a network gives to learn from, such as edges
        extra = getattr(output, field.name)
        if field.name not in ("logits", "attention", "probability") and isinstance(extra, torch.Tensor):
            loss = loss + (extra * torch.randn_like(extra)).mean()
    loss.backward()
    trainable = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert trainable
    for name, parameter in trainable.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.ndim > 1:  # biases before a batch norm or a softmax have none, by the mathematics
            assert parameter.grad.abs().max() > 0, name


@NETWORKS
def test_landmarks_that_are_not_known_stay_with_their_face(network: type[Net]) -> None:
    net = small(network).eval()
    if net.landmarks is None:
        pytest.skip("it takes no landmarks")
    with pytest.raises(FauError, match="landmarks"):
        net(_images(net))
    known, unknown = run(net, _images(net)).logits, run(net, _images(net), unknown=1).logits
    assert torch.isfinite(unknown).all()
    assert not torch.equal(unknown[0], known[0])
    torch.testing.assert_close(unknown[1:], known[1:])
    torch.autograd.backward(unknown.square().sum())
    assert all(torch.isfinite(value.grad).all() for value in net.parameters() if value.grad is not None)


@NETWORKS
def test_state_round_trip(network: type[Net], tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = small(network)
    run(net, _images(net))  # moves the batch-norm statistics
    torch.save(net.state_dict(), tmp_path / "state.pt")
    torch.manual_seed(1)
    other = small(network)
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), strict=True)
    with torch.no_grad():
        assert torch.equal(run(net.eval(), _images(net)).logits, run(other.eval(), _images(net)).logits)


@NETWORKS
def test_the_same_seed_makes_the_same_network(network: type[Net]) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(small(network).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@NETWORKS
def test_it_learns(network: type[Net]) -> None:
    torch.manual_seed(0)
    net = small(network, 2)
    images = _images(net, batch=8)
    target = torch.tensor([[0, 1], [1, 0]] * 4)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = masked_bce(run(net, images).logits, target, target >= 0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@NETWORKS
def test_signature_is_what_configurations_expect(network: type[Net]) -> None:
    first, *settings = list(inspect.signature(network).parameters.values())
    assert first.name == "num_outputs"
    assert first.default is inspect.Parameter.empty
    assert all(setting.default is not inspect.Parameter.empty for setting in settings)
    assert network.__doc__
    net = small(network)
    assert len(net.mean) == len(net.std) == 3
    assert net.num_outputs == 3


@NETWORKS
@pytest.mark.parametrize("num_outputs", [0, -1])
def test_no_outputs_are_refused(network: type[Net], num_outputs: int) -> None:
    with pytest.raises(FauError, match="num_outputs"):
        small(network, num_outputs)
