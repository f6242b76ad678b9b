"""ME-GraphAU: sizes of the paper's networks, numbers of the authors' code, formulas written out, weights from files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from fau.errors import FauError
from fau.losses import edge_cross_entropy, weighted_asymmetric
from fau.nets.megraphau import TRUNKS, GraphOutput, MEGraphAUStage1, MEGraphAUStage2
from fau.nets.megraphau_edges import EdgeFeatures, GatedLayer
from fau.nets.megraphau_parts import CosineClassifier, SimilarityGraph, similarity_graph
from fau.nets.megraphau_weights import from_authors, read_weights, start_from_stage1

GOLDEN = json.loads((Path(__file__).parent / "data" / "megraphau_golden.json").read_text())
STAGES = {1: MEGraphAUStage1, 2: MEGraphAUStage2}
TINY: dict[str, Any] = {"trunk": "test_resnet", "input_size": 64, "width": 8}


def _count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


# Parameters: trunk, BP4D stages 1 and 2, DISFA stages 1 and 2.
PARAMETERS = {
    "resnet18": (11_176_512, 11_478_232, 11_693_012, 11_410_640, 11_624_932),
    "resnet50": (23_508_032, 28_253_784, 31_666_132, 27_197_008, 30_608_868),
    "resnet101": (42_500_160, 47_245_912, 50_658_260, 46_189_136, 49_600_996),
    "swin_tiny": (27_519_354, 29_899_026, 31_819_534, 29_303_050, 31_223_070),
    "swin_small": (48_837_258, 51_216_930, 53_137_438, 50_620_954, 52_540_974),
    "swin_base": (86_743_224, 90_964_688, 94_377_036, 89_907_912, 93_319_772),
}


def _head_only(net: MEGraphAUStage1 | MEGraphAUStage2, features: Tensor) -> GraphOutput:
    """Run a network on its trunk's map."""
    net.trunk = _Given(features)
    output = net(torch.zeros(len(features), 3, 64, 64))
    assert isinstance(output, GraphOutput)
    return output


class _Given(nn.Module):
    """In the trunk's place: a map that is there."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, image: Tensor) -> Tensor:
        return self.features


@pytest.mark.parametrize(
    "trunk", ["resnet18", *(pytest.param(name, marks=pytest.mark.slow) for name in [*PARAMETERS][1:])]
)
def test_parameter_counts(trunk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PARAMETERS) == set(TRUNKS)
    alone, *expected = PARAMETERS[trunk]
    made = MEGraphAUStage1(12, trunk=trunk).trunk
    assert _count(made) == alone
    monkeypatch.setattr("fau.nets.megraphau.Trunk", lambda *_: made)  # made once: Swin-B takes seconds
    assert [_count(STAGES[stage](aus, trunk=trunk)) for aus in (12, 8) for stage in (1, 2)] == expected


def test_parameters_of_the_parts() -> None:
    """ResNet-50 on BP4D, without building its trunk."""
    edges, layer = EdgeFeatures(512, 12), GatedLayer(512, 12)
    assert _count(SimilarityGraph(512, 12, 4, "dots")) == 525_336
    assert _count(CosineClassifier(512, 12)) == 6_144
    assert _count(edges) == 1_313_568
    assert 2 * _count(layer) == 2_622_064


@pytest.mark.slow
def test_the_published_trunks_make_49_tokens_normalised_as_imagenet() -> None:
    for name in TRUNKS:
        net = MEGraphAUStage1(12, trunk=name).eval()
        assert net.trunk(torch.zeros(1, 3, 224, 224)).shape[2:] == (7, 7)
        assert net.input_size == 224
        assert net.mean == (0.485, 0.456, 0.406)
        assert net.std == (0.229, 0.224, 0.225)


# The authors' numbers ----------------------------------------------------------------------------------------------


def _wave(index: int, shape: Any) -> Tensor:
    count = torch.Size(shape).numel()
    return torch.sin(0.37 * (index + 1) + 1.3 * torch.arange(count, dtype=torch.float64)).view(shape)


def _authors_state(stage: int) -> dict[str, Tensor]:
    """The weights that the golden numbers are of, under the authors' names: benchmarks/megraphau_golden.py."""
    state = {}
    for index, (key, shape) in enumerate(sorted(GOLDEN["shapes"][str(stage)].items())):
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
        elif key.endswith("running_var"):
            state[key] = 1 + 0.5 * _wave(index, shape)
        elif len(shape) == 2:
            state[key] = _wave(index, shape) * (2 / shape[0]) ** 0.5
        else:
            state[key] = (1 if key.endswith("weight") else 0) + 0.2 * _wave(index, shape)
    return state


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("stage", [1, 2])
def test_golden_numbers_of_the_authors_code(stage: int, mode: str) -> None:
    expected = GOLDEN["cases"][f"stage {stage} {mode}"]
    extra = {"neighbours": 3} if stage == 1 else {}
    net = STAGES[stage](5, **TINY, **extra).double().train(mode == "train")
    trunk = {f"trunk.{key}": value for key, value in net.trunk.state_dict().items()}
    net.load_state_dict(from_authors(_authors_state(stage)) | trunk)
    label = (torch.arange(10).view(2, 5) % 3 == 0).double()
    mask = torch.ones(2, 5, dtype=torch.bool)
    output = _head_only(net, _wave(7, (2, 96, 3, 3)))
    loss = weighted_asymmetric(output.probability, label, mask, 0.5 + torch.arange(5, dtype=torch.float64) / 5).mean()
    if output.edge_logits is not None:
        loss = loss + 0.05 * edge_cross_entropy(output.edge_logits, label, mask).mean()
        _close(output.edge_logits.flatten(), expected["edge_logits"])
    loss.backward()
    _close(output.probability.flatten(), expected["probability"])
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-9)
    gradients = {key: value.grad for key, value in net.named_parameters()}
    for key, (size, product) in expected["gradients"].items():
        gradient = gradients[key]
        assert gradient is not None, key
        assert float(gradient.abs().sum()) == pytest.approx(size, rel=1e-7, abs=1e-9), key
        assert float((gradient * _wave(0, gradient.shape)).sum()) == pytest.approx(product, rel=1e-6, abs=1e-9), key
    state = net.state_dict()
    for key, (size, product) in expected["running"].items():
        assert float(state[key].abs().sum()) == pytest.approx(size, rel=1e-9), key
        assert float((state[key] * _wave(0, state[key].shape)).sum()) == pytest.approx(product, rel=1e-9), key
    assert len(expected["gradients"]) == len(gradients)


def _close(value: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(value.detach(), torch.tensor(expected, dtype=value.dtype), rtol=1e-9, atol=1e-12)


# The formulas, written out -----------------------------------------------------------------------------------------


def _attend(layer: Any, query: Tensor, context: Tensor) -> Tensor:
    scores = layer.query(query) @ layer.key(context).transpose(-2, -1) * layer.scale
    return scores.softmax(dim=-1) @ layer.value(context)


def _edges_pair_by_pair(block: EdgeFeatures, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Section 3.2 of the paper: every edge with all its positions, before and after the batch norm."""
    aus = features.shape[2]
    faces = [_attend(block.face, features[:, :, i], tokens) for i in range(aus)]
    pairs = [_attend(block.pair, faces[j], faces[i]) for i in range(aus) for j in range(aus)]
    raw = torch.stack([block.project(pair) for pair in pairs], dim=1)
    state = block.norm
    normed = functional.batch_norm(
        raw, state.running_mean.clone(), state.running_var.clone(), state.weight, state.bias, block.training, 0.1, 1e-5
    )
    return raw, normed.mean(dim=2)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_edges_are_those_of_the_expanded_form(seed: int, batch: int, aus: int, positions: int, train: bool) -> None:
    torch.manual_seed(seed)
    block = EdgeFeatures(6, aus).double().train(train)
    for parameter in block.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    features = torch.randn(batch, positions, aus, 6, dtype=torch.float64, requires_grad=True)
    tokens = torch.randn(batch, positions, 6, dtype=torch.float64, requires_grad=True)
    leaves = [features, tokens, *block.parameters()]
    raw, expected = _edges_pair_by_pair(block, features, tokens)
    made = block(features, tokens)
    torch.testing.assert_close(made, expected)
    cotangent = torch.randn_like(made)
    for ours, theirs in zip(
        torch.autograd.grad((made * cotangent).sum(), leaves),
        torch.autograd.grad((expected * cotangent).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    if train:
        by_edge = raw.detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(block.norm.running_mean, 0.1 * by_edge.mean(dim=1))
        torch.testing.assert_close(block.norm.running_var, 0.9 + 0.1 * by_edge.var(dim=1))
        assert block.norm.num_batches_tracked == 1


def test_far_values_do_not_cancel_in_the_variance() -> None:
    torch.manual_seed(0)
    block = EdgeFeatures(8, 2)
    with torch.no_grad():
        block.project.bias.add_(1000.0)  # E[y^2] - E[y]^2 in float32 would lose all of a variance of about 1
    features, tokens = torch.randn(3, 4, 2, 8), torch.randn(3, 4, 8)
    raw, _ = _edges_pair_by_pair(block.double(), features.double(), tokens.double())
    block.float()(features, tokens)
    variance = raw.transpose(0, 1).flatten(1).var(dim=1).float()
    torch.testing.assert_close(block.norm.running_var, 0.9 + 0.1 * variance, rtol=1e-3, atol=0)


@pytest.mark.parametrize("metric", ["dots", "cosine", "l1"])
def test_links_go_to_the_most_alike(metric: Any) -> None:
    nodes = torch.tensor([[[3.0, 0.0], [2.0, 0.1], [0.0, 1.0]]])
    graph = similarity_graph(nodes, 2, metric)
    pairs = {"dots": [{0, 1}, {0, 1}, {1, 2}], "cosine": [{0, 1}, {0, 1}, {1, 2}], "l1": [{0, 1}, {0, 1}, {1, 2}]}
    assert [set(row.nonzero().flatten().tolist()) for row in graph[0]] == pairs[metric]
    torch.testing.assert_close(graph[0, 0, :2], torch.full((2,), 0.5))


def test_ties_add_links() -> None:
    graph = similarity_graph(torch.ones(1, 4, 3), 2, "dots")
    torch.testing.assert_close(graph, torch.full((1, 4, 4), 0.25))


def test_an_au_need_not_be_linked_to_itself() -> None:
    nodes = torch.tensor([[[1.0, 0.0], [9.0, 0.0], [8.0, 0.0]]])
    assert similarity_graph(nodes, 2, "dots")[0, 0, 0] == 0


def test_scores_are_cosines_of_the_non_negative_parts() -> None:
    classifier = CosineClassifier(2, 2)
    classifier.weight.data = torch.tensor([[3.0, -4.0], [1.0, 1.0]])
    scores = classifier(torch.tensor([[[1.0, 1.0], [2.0, 0.0]]]))
    torch.testing.assert_close(scores, torch.full((1, 2), 0.5**0.5))


def test_opengraphau_scores_the_sides_of_seven_nodes() -> None:
    for stage in STAGES.values():
        net = stage(26, **TINY, layout="opengraphau").eval()
        output = net(torch.randn(2, 3, 64, 64))
        assert output.scores.shape == (2, 26)
        assert isinstance(output, GraphOutput)
        assert output.edge_logits is None
        with torch.no_grad():
            net.classify.weight[12 + 2 * 3] = net.classify.weight[4]  # the left of the fourth sided node, place 4
        output = net(torch.randn(2, 3, 64, 64))
        torch.testing.assert_close(output.scores[:, 18], output.scores[:, 4])
        with pytest.raises(FauError, match="41 in all, and not 25"):
            stage(25, **TINY, layout="opengraphau")


def test_opengraphaus_names_are_ours() -> None:
    net = MEGraphAUStage2(26, **TINY, layout="opengraphau")
    own = {key: value for key, value in net.state_dict().items() if not key.startswith("trunk.")}
    theirs: dict[str, Tensor] = {}
    for key, value in own.items():
        layer, _, name = key.rpartition(".")
        if key == "classify.weight":
            theirs |= {"head.main_sc": value[:12], "head.sub_sc": value[12:]}
        elif layer.startswith("features"):
            short = {"features.linear": "fc", "features.norm": "bn"}[layer]
            parts = [value] * 12 if value.ndim == 0 else value.chunk(12)
            theirs |= {f"head.main_class_linears.{i}.{short}.{name}": part for i, part in enumerate(parts)}
        elif layer.endswith(".nodes"):
            gates = zip("UVAB", value.chunk(4), strict=True)
            theirs |= {f"head.gnn.graph_layers.{layer.split('.')[1]}.{gate}.weight": part for gate, part in gates}
        elif layer.startswith("layers."):
            _, number, kind = layer.split(".")
            short = {"edges": "E", "node_norm": "bnv", "edge_norm": "bne"}[kind]
            theirs[f"head.gnn.graph_layers.{number}.{short}.{name}"] = value
        elif layer.startswith("project"):
            theirs[key.replace("project.linear", "global_linear.fc").replace("project.norm", "global_linear.bn")] = (
                value
            )
        else:
            short = layer.replace("edges.face.", "FAM.linear_").replace("edges.pair.", "ARM.linear_")
            short = re.sub("(query|key|value)$", lambda found: found[0][0], short)
            short = short.replace("edges.project", "edge_proj").replace("edges.norm", "bn")
            theirs[f"head.edge_extractor.{short}.{name}"] = value
    renamed = from_authors(theirs)
    assert set(renamed) == set(own)
    assert all(torch.equal(renamed[key], own[key]) for key in own)


def test_one_image_trains() -> None:
    """The batch norms over AUs and edges take statistics over channels too."""
    for stage in STAGES.values():
        net = stage(3, **TINY)
        net(torch.randn(1, 3, 64, 64)).scores.sum().backward()
        assert all(bool(torch.isfinite(value).all()) for value in net.state_dict().values())


# Weights from files ------------------------------------------------------------------------------------------------


def _authors_file(path: Path, net: nn.Module, stage: int, wrapped: bool) -> Path:
    """A checkpoint as the authors save it, with a trunk's weights under their names."""
    trunk = {
        key.replace("trunk.model.", "backbone."): value for key, value in net.state_dict().items() if key[:5] == "trunk"
    }
    state = {key: value.float() for key, value in _authors_state(stage).items()} | trunk
    prefix = "module." if wrapped else ""
    torch.save({"epoch": 3, "state_dict": {f"{prefix}{key}": value for key, value in state.items()}}, path)
    return path


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("stage", [1, 2])
def test_the_authors_checkpoints_load(stage: int, wrapped: bool, tmp_path: Path) -> None:
    file = _authors_file(tmp_path / "theirs.pth", STAGES[stage](5, **TINY), stage, wrapped)
    net = STAGES[stage](5, **TINY, weights=str(file))
    third = _authors_state(stage)["head.class_linears.2.fc.weight"].float()
    assert torch.equal(net.features.linear.weight[16:24], third)
    if stage == 2:
        gate = _authors_state(stage)["head.gnn.A2.weight"].float()
        layer = net.layers[1]
        assert isinstance(layer, GatedLayer)
        assert torch.equal(layer.nodes.weight[16:24], gate)


def test_swins_names_are_timms() -> None:
    renamed = from_authors(
        {
            "backbone.layers.0.downsample.norm.weight": torch.zeros(1),
            "backbone.layers.1.blocks.0.attn.relative_position_index": torch.zeros(1),
            "backbone.layers.0.blocks.1.attn_mask": torch.zeros(1),
            "backbone.norm.bias": torch.zeros(1),
        }
    )
    assert set(renamed) == {"trunk.model.layers.1.downsample.norm.weight", "trunk.model.norm.bias"}


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    file = _authors_file(tmp_path / "theirs.pth", MEGraphAUStage1(5, **TINY), 1, wrapped=True)
    with pytest.raises(
        FauError,
        match=r"stage 2 of ME-GraphAU; it is of stage 1: .*lacking; graph\.own\.bias has no place",
    ):
        MEGraphAUStage2(5, **TINY, weights=str(file))
    with pytest.raises(FauError, match=r"features\.linear\.weight is \[40, 8\] and not \[32, 8\]"):
        MEGraphAUStage1(4, **TINY, weights=str(file))
    with pytest.raises(FauError, match=r"none\.pth' does not exist"):
        read_weights(tmp_path / "none.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(FauError, match=r"junk\.pth' cannot be read as weights"):
        read_weights(tmp_path / "junk.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(FauError, match="no state dict"):
        read_weights(tmp_path / "empty.pth")
    with pytest.raises(FauError, match=r"no folder of a run"):
        read_weights(tmp_path)


def test_stage_2_starts_from_stage_1(tmp_path: Path) -> None:
    first = MEGraphAUStage1(5, **TINY)
    torch.save(
        {"state_dict": {f"net.{key}": value for key, value in first.state_dict().items()}}, tmp_path / "run.ckpt"
    )
    second = MEGraphAUStage2(5, **TINY)
    fresh = second.edges.project.weight.clone()
    carried = start_from_stage1(second, tmp_path / "run.ckpt")
    assert [part.split(":")[0] for part in carried] == ["trunk", "project", "features", "classify"]
    assert carried[-1] == "classify: 40"
    for key in ("features.linear.weight", "features.norm.running_mean", "classify.weight", "project.linear.bias"):
        assert torch.equal(second.state_dict()[key], first.state_dict()[key])
    assert torch.equal(second.edges.project.weight, fresh)
    with pytest.raises(FauError, match=r"no stage 1 of this network: .*features\.linear\.weight is \[40, 8\]"):
        start_from_stage1(MEGraphAUStage2(4, **TINY), tmp_path / "run.ckpt")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"width": 7}, "even"), ({"neighbours": 0}, "1 or more"), ({"trunk": "resnet5"}, "no model 'resnet5'")],
)
def test_what_cannot_work_is_refused_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        MEGraphAUStage1(3, **(TINY | change))
