"""JAA-Net: sizes of the published networks, numbers of the authors' code, maps cell by cell, weights from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.landmarks import MIRROR_49
from fau.losses import landmark_loss, masked_bce, refinement_loss, weighted_dice
from fau.nets.au_maps import RULES_49, Centres, square_maps
from fau.nets.jaanet import PUBLISHED, JAANet, JAAOutput
from fau.nets.jaanet_parts import PatchConv, extractor, refinement
from fau.nets.jaanet_weights import PARTS, from_authors, read_weights

GOLDEN = json.loads((Path(__file__).parent / "data" / "jaanet_golden.json").read_text())
SIZE = 64
DISFA = PUBLISHED[8]
TINY: dict[str, Any] = {"input_size": SIZE, "unit": 1}


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("version", "aus", "expected"),
    [(1, 12, 22_162_854), (1, 8, 18_603_674), (2, 12, 25_237_182), (2, 8, 20_653_226)],
)
def test_parameter_counts(version: Literal[1, 2], aus: int, expected: int) -> None:
    with torch.device("meta"):  # no need to draw them
        net = JAANet(aus, version=version)
    assert _count(net) == expected


def test_parameters_of_the_parts() -> None:
    with torch.device("meta"):
        net = JAANet(12)
    assert _count(net.region) == 1_615_392
    assert _count(net.align) == _count(net.whole) == _count(extractor(64, 8)) == 813_312
    assert _count(net.align) + _count(net.landmark_head) == 2_912_098
    assert _count(refinement(8, 1)) == 75_457
    assert net.local_head is not None
    assert _count(net.local) + _count(net.local_head) == 12 * 1_069_506
    assert _count(net.head) == 6_156_824


# Numbers of the authors' code --------------------------------------------------------------------------------------


def _wave(index: int, shape: tuple[int, ...] | torch.Size) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(0.37 * (index + 1) + 1.3 * torch.arange(count, dtype=torch.float64)).view(shape)


def _fill(net: nn.Module) -> None:
    """Weights as benchmarks/jaanet_golden.py makes them."""
    state = net.state_dict()
    for index, key in enumerate(sorted(state)):
        values = _wave(index, state[key].shape)
        if key.endswith("num_batches_tracked"):
            values = torch.zeros_like(state[key])
        elif key.endswith("running_var"):
            values = 1 + 0.5 * values
        elif values.ndim > 1:
            values = values * (2 / values[0].numel()) ** 0.5
        else:
            values = (1 if key.endswith("weight") else 0) + 0.2 * values
        state[key] = values
    state["landmark_head.1.bias"] = SIZE / 2 + SIZE / 2 * _wave(5, (98,))
    net.load_state_dict(state)


def _holds(tensors: dict[str, Tensor], expected: dict[str, list[float]], limit: float) -> None:
    assert set(tensors) >= set(expected)
    for key, (size, product) in expected.items():
        value = tensors[key]
        assert float(value.abs().sum()) == pytest.approx(size, rel=limit, abs=1e-11), key
        assert float((value * _wave(0, value.shape)).sum()) == pytest.approx(product, rel=10 * limit, abs=1e-11), key


@pytest.mark.parametrize("case", list(GOLDEN["cases"]))
def test_outputs_losses_and_gradients_are_the_authors(case: str) -> None:
    expected = GOLDEN["cases"][case]
    version, aus, mode = case.split()
    net = (
        JAANet(int(aus), version=1 if version == "1" else 2, aus=PUBLISHED[int(aus)], **TINY)
        .double()
        .train(mode == "train")
    )
    _fill(net)
    batch = 3
    output = net(_wave(7, (batch, 3, SIZE, SIZE)))
    assert isinstance(output, JAAOutput)
    label = (torch.arange(batch * int(aus)).view(batch, -1) % 3 == 0).double()
    mask = torch.ones_like(label, dtype=torch.bool)
    weight = 0.5 + torch.arange(int(aus), dtype=torch.float64) / int(aus)
    loss = 0.5 * landmark_loss(output.landmarks, SIZE / 2 + SIZE / 3 * _wave(3, (batch, 49, 2))).mean()
    for logits in (output.logits, output.local_logits):
        if logits is not None:
            loss = loss + masked_bce(logits, label, mask, label_weight=weight).mean()
            loss = loss + weighted_dice(logits.sigmoid(), label, mask, weight, over_batch=True).mean()
    if version == "1":
        loss = loss + 2e-4 / 2 * refinement_loss(output.maps, output.initial_maps).mean()
    loss.backward()
    _close(output.scores.flatten(), expected["probability"])
    if output.local_logits is not None:
        _close(output.local_logits.sigmoid().flatten(), expected["local probability"])
    assert (output.local_logits is None) == (not expected["local probability"])
    _close(output.landmarks[0].flatten()[:12], expected["landmarks"])
    _holds({"initial": output.initial_maps, "refined": output.maps.detach()}, expected["maps"], 1e-9)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-9)
    gradients = {key: value.grad for key, value in net.named_parameters() if value.grad is not None}
    assert len(gradients) == len(expected["gradients"])
    _holds(gradients, expected["gradients"], 1e-7)
    _holds(net.state_dict(), expected["running"], 1e-9)


def _close(value: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(value.detach(), torch.tensor(expected, dtype=value.dtype), rtol=1e-9, atol=1e-12)


# Maps --------------------------------------------------------------------------------------------------------------


def _map_cell_by_cell(centres: list[tuple[float, float]], size: int, half: int, slope: float) -> Tensor:
    drawn = torch.zeros(size, size, dtype=torch.float64)
    for x, y in ((round(x), round(y)) for x, y in centres):
        columns, rows = ([min(max(c + d, 0), size - 1) for d in range(-half, half + 1)] for c in (x, y))
        for row in rows:
            for column in columns:
                value = 1 - slope * (abs(row - y) + abs(column - x))
                drawn[row, column] = max(float(drawn[row, column]), value)
    return drawn


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.floats(-40, 60, width=32)] * 2), min_size=1, max_size=3),
    st.integers(3, 20),
    st.integers(0, 5),
    st.floats(0.01, 0.5),
)
def test_maps_are_the_squares_drawn_cell_by_cell(
    centres: list[tuple[float, float]], size: int, half: int, slope: float
) -> None:
    """Beyond the border as well, where the clamped window leaves its nearest row or column."""
    given_centres = torch.tensor(centres, dtype=torch.float64).view(1, 1, -1, 2)
    made = square_maps(given_centres, size, half, slope)
    torch.testing.assert_close(made[0, 0], _map_cell_by_cell(centres, size, half, slope))


def test_a_centre_between_two_cells_goes_to_the_even_one() -> None:
    made = square_maps(torch.tensor([[[[2.5, 3.5]]]]), 8, 0, 0.1)
    assert made[0, 0].nonzero().tolist() == [[4, 2]]


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf")])
def test_centres_that_are_not_finite_are_not_drawn(fault: float) -> None:
    centres = torch.tensor([[[[2.0, 2.0], [fault, 2.0]], [[fault, fault], [fault, 1.0]]]])
    made = square_maps(centres, 6, 1, 0.25)
    torch.testing.assert_close(made[0, 0], square_maps(centres[:, :1, :1], 6, 1, 0.25)[0, 0])
    assert made[0, 0, 2, 2] == 1
    assert (made[0, 1] == 0).all()


def test_where_the_aus_are() -> None:
    """The table of the paper: inner eye corners 20 px apart."""
    points = torch.zeros(1, 49, 2)
    points[0] = torch.arange(98.0).view(49, 2)
    points[0, 22, 0], points[0, 25, 0] = 70.0, 50.0
    aus = (1, 2, 4, 6, 7, 9, 10, 12, 17, 23, 26)
    downs = (-10, -20 / 3, 20 / 3, 20, 0, -10, 0, 0, 10, 0, 10)
    firsts = (4, 1, 2, 24, 21, 15, 43, 31, 39, 34, 39)
    seconds = (5, 8, 7, 29, 26, 17, 45, 37, 41, 40, 41)
    made = Centres(aus)(points)[0]
    for centre, first, second, down in zip(made, firsts, seconds, downs, strict=True):
        expected = points[0, [first, second]] + torch.tensor([0.0, down])
        torch.testing.assert_close(centre, expected)


def test_every_places_mirror_image_is_its_other_place() -> None:
    for au, (first, second, _) in RULES_49.items():
        assert {int(MIRROR_49[first]), int(MIRROR_49[second])} == {first, second}, au


# Structure ---------------------------------------------------------------------------------------------------------


def test_a_patch_does_not_see_the_next() -> None:
    """What a plain convolution of the patch alone gives, with its own weights."""
    torch.manual_seed(0)
    layer = PatchConv(3, 2, grid=4).eval()
    for buffer in (layer.norm.running_mean, layer.norm.running_var):
        assert buffer is not None
        buffer.uniform_(0.5, 1.5)
    image = torch.randn(2, 3, 20, 20)
    made = layer(image)
    for row, column in ((0, 0), (1, 2), (3, 3)):
        at = 4 * row + column
        rows, columns = slice(5 * row, 5 * row + 5), slice(5 * column, 5 * column + 5)
        norm = nn.BatchNorm2d(3).eval()
        norm.load_state_dict({key: value[3 * at : 3 * at + 3] if value.ndim else value
                              for key, value in layer.norm.state_dict().items()})  # fmt: skip
        weight, bias = layer.conv.weight[2 * at : 2 * at + 2], layer.conv.bias
        assert bias is not None
        patch = torch.relu(norm(image[:, :, rows, columns]))
        expected = functional.conv2d(patch, weight, bias[2 * at : 2 * at + 2], padding=1)
        torch.testing.assert_close(made[:, :, rows, columns], expected)


def _gradient_reaches(net: JAANet, what: Tensor) -> set[str]:
    net.zero_grad()
    what.square().sum().backward(retain_graph=True)
    return {
        name.split(".")[0]
        for name, value in net.named_parameters()
        if value.grad is not None and value.grad.abs().max() > 0
    }


def test_where_gradients_stop() -> None:
    """Maps teach nothing to the landmarks; in version 2 the AU head teaches nothing to the AUs' branches."""
    torch.manual_seed(0)
    net = JAANet(8, aus=DISFA, **TINY)
    output = net(torch.randn(2, 3, SIZE, SIZE))
    assert isinstance(output, JAAOutput)
    assert output.local_logits is not None
    assert not output.initial_maps.requires_grad
    assert _gradient_reaches(net, output.logits) == {"region", "align", "whole", "head"}
    assert _gradient_reaches(net, output.local_logits) == {"region", "refine", "local", "local_head"}
    assert _gradient_reaches(net, output.landmarks) == {"region", "align", "landmark_head"}
    first = JAANet(8, version=1, aus=DISFA, **TINY)
    output = first(torch.randn(2, 3, SIZE, SIZE))
    assert _gradient_reaches(first, output.logits) == {"region", "align", "refine", "local", "whole", "head"}


def test_half_precision_keeps_landmarks_in_full() -> None:
    net = JAANet(8, aus=DISFA, **TINY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = net(torch.randn(2, 3, SIZE, SIZE))
    assert isinstance(output, JAAOutput)
    assert output.landmarks.dtype == output.initial_maps.dtype == torch.float32


def test_landmarks_that_are_not_finite_draw_no_map() -> None:
    net = JAANet(8, aus=DISFA, **TINY).eval()
    with torch.no_grad():
        net.landmark_head[1].bias[:] = float("nan")
        output = net(torch.randn(2, 3, SIZE, SIZE))
    assert (output.initial_maps == 0).all()
    assert torch.isfinite(output.scores).all()


# Weights from files ------------------------------------------------------------------------------------------------


def _authors_files(folder: Path, net: JAANet, epoch: int = 5) -> None:
    """Write a network's weights as the authors save them."""
    states: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for key, value in net.state_dict().items():
        layer, _, rest = key.partition(".")
        if layer == "region":
            at, kind, rest = rest.split(".", 2)
            theirs = f"multiscale_feat.{at}."
            if kind == "branches":
                branch, kind, name = rest.split(".")
                short = {"norm": "bns", "conv": "convs"}[kind]
                patches = (8, 4, 2)[int(branch)] ** 2
                for patch, part in enumerate(value.chunk(patches) if value.ndim else [value] * patches):
                    states[PARTS[0]][f"{theirs}local_conv_branch{int(branch) + 1}.{short}.{patch}.{name}"] = part
            else:
                states[PARTS[0]][f"{theirs}{kind.replace('norm', 'bn')}.{rest}"] = value
            continue
        simple = {
            "align": ("align_net", "align_feat.feat_extract"),
            "landmark_head": ("align_net", "align_output"),
            "whole": ("global_au_feat", "feat_extract"),
            "head": ("au_net", "au_output"),
        }
        if layer in simple:
            part_name, stem = simple[layer]
            states[part_name][f"{stem}.{rest}"] = value
            continue
        part_name, stem = {
            "refine": ("local_attention_refine", "local_aus_attention.{}"),
            "local": ("local_au_net", "local_aus_branch.{}.feat_extract"),
            "local_head": ("local_au_net", "local_aus_output.{}"),
        }[layer]
        aus = net.num_outputs
        for au, part in enumerate(value.chunk(aus) if value.ndim else [value] * aus):
            states[part_name][f"{stem.format(au)}.{rest}"] = part
    for part_name, state in states.items():
        torch.save(state, folder / f"{part_name}_{epoch}.pth")


@pytest.mark.parametrize("version", [1, 2])
def test_the_authors_files_load(version: Literal[1, 2], tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = JAANet(8, version=version, aus=DISFA, **TINY)
    net(torch.randn(2, 3, SIZE, SIZE))  # moves the batch-norm statistics
    _authors_files(tmp_path, net)
    torch.manual_seed(1)
    other = JAANet(8, version=version, **TINY, weights=str(tmp_path))
    state = net.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in other.state_dict().items())


def test_checkpoints_of_ours_load(tmp_path: Path) -> None:
    net = JAANet(8, aus=DISFA, **TINY)
    state = {f"net.{key}": value for key, value in net.state_dict().items()} | {"metric": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "run.ckpt")
    other = JAANet(8, **TINY, weights=str(tmp_path / "run.ckpt"))
    assert torch.equal(other.head[0].weight, net.head[0].weight)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"0 files region_learning_\*\.pth"):
        read_weights(tmp_path)
    _authors_files(tmp_path, JAANet(8, aus=DISFA, **TINY))
    with pytest.raises(FauError, match=r"do not fit this JAA-Net: .*refine\.0\.weight is \[64, 1, 3, 3\] and not \[96"):
        JAANet(12, **TINY, weights=str(tmp_path))
    with pytest.raises(FauError, match=r"local_head\.0\.weight has no place"):
        JAANet(8, version=1, **TINY, weights=str(tmp_path))
    _authors_files(tmp_path, JAANet(8, aus=DISFA, **TINY), epoch=6)
    with pytest.raises(FauError, match=r"2 files region_learning_\*\.pth; leave in it one epoch"):
        read_weights(tmp_path)
    with pytest.raises(FauError, match=r"none\.pth' does not exist"):
        read_weights(tmp_path / "none.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(FauError, match=r"junk\.pth' cannot be read as weights"):
        read_weights(tmp_path / "junk.pth")
    with pytest.raises(FauError, match=r"layers \[1\] of refine\.0\.bias"):
        from_authors({"local_attention_refine.local_aus_attention.1.0.bias": torch.zeros(2)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 3}, "versions 1 and 2, not 3"),
        ({"unit": 0}, "unit of 1 or more"),
        ({"input_size": 100}, "that 16 divides, not 100"),
        ({"input_size": 16}, "32 or more"),
        ({"aus": (1, 2)}, "8 outputs, and aus names 2"),
        ({"aus": (1, 2, 3, 4, 6, 7, 9, 10)}, "AU 3 has no place"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        JAANet(8, **(TINY | change))


def test_a_batch_that_does_not_fit_is_refused_in_a_sentence() -> None:
    with pytest.raises(FauError, match=r"made for 64 px, not \(48, 48\)"):
        JAANet(8, aus=DISFA, **TINY)(torch.zeros(1, 3, 48, 48))
    with pytest.raises(FauError, match="does not know the AUs of its 3 outputs; set aus"):
        JAANet(3, **TINY)(torch.zeros(2, 3, SIZE, SIZE))
