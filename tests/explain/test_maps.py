"""Maps of networks whose look is known, and of what cannot be shown."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from seen import CELLS, CORNER, SIZE, module, random_faces

from fau.errors import FauError
from fau.explain import cam
from fau.explain.faces import Faces, check_landmarks, input_points, inputs
from fau.explain.maps import Maps, cell_profiles, make_maps, methods, own_maps
from fau.modules.detection import AUDetection
from fau.nets.gla import GLACNN
from fau.nets.jaanet import JAANet
from fau.nets.landmark_transformer import LandmarkTransformer, PatchOutput


def _at_corner(values: np.ndarray) -> None:
    """All of a map (n, h, w) lies in the corner's cell."""
    assert values.shape[1:] == (CELLS, CELLS)
    assert (values[:, CORNER[0], CORNER[1]] > 0).all()
    assert np.delete(values.reshape(len(values), -1), CORNER[0] * CELLS + CORNER[1], axis=1).max() == 0


@pytest.mark.parametrize(("own", "labels"), [("one", 1), ("each", 3)])
def test_own_attention_is_where_the_network_looks(own: str, labels: int) -> None:
    made = make_maps(module(own), random_faces(), "attention", [0, 1, 2])
    assert made.values.shape[:2] == (3, labels)
    _at_corner(made.of_label(2))


def test_class_activation_is_where_the_label_comes_from_and_nowhere_for_what_speaks_against_it() -> None:
    made = make_maps(module(), random_faces(), "cam", [0, 1])
    _at_corner(made.of_label(0))
    assert made.layer == "look"
    assert made.of_label(1).max() == made.of_label(2).max() == 0  # against it; independent of the image
    assert np.isnan(made.density(8)[:, 1]).all()  # says nothing, rather than 0 everywhere


def test_a_map_is_enlarged_to_its_place_in_the_picture() -> None:
    values = np.zeros((1, 1, CELLS, CELLS), np.float32)
    values[0, 0, CORNER[0], CORNER[1]] = 5
    fine = Maps("attention", values).density(SIZE)[0, 0]
    assert fine.mean() == pytest.approx(1)
    rows, columns = np.nonzero(fine == fine.max())
    assert rows.max() < SIZE / CELLS and columns.min() >= SIZE * 3 / CELLS


def test_density_is_the_product_of_the_cells_profiles() -> None:
    values = np.random.default_rng(0).random((2, 3, 4, 5), np.float32)
    down, across = cell_profiles(4, 20), cell_profiles(5, 20)
    whole = np.einsum("yh,nlhw,xw->nlyx", down, values, across)
    np.testing.assert_allclose(
        Maps("attention", values).density(20), whole / whole.mean((2, 3), keepdims=True), rtol=1e-5
    )


def test_methods_by_what_a_network_gives() -> None:
    assert methods(module("one"), random_faces()) == ["attention", "cam"]
    assert methods(module("each"), random_faces()) == ["attention"]
    assert methods(module(), random_faces()) == ["cam"]


def test_looking_leaves_a_training_network_as_it_was() -> None:
    trained = AUDetection("1,2", net=lambda n: GLACNN(n, 32, (4, 4, 8, 8, 8, 8), hidden=8))
    trained.train()
    trained.net.encoder[0].eval()  # frozen
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    modes = [part.training for part in trained.modules()]
    torch.manual_seed(3)
    for method in ("attention", "cam"):
        make_maps(trained, random_faces(), method, [0, 1])
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert drawn == torch.rand(1), "random numbers were drawn"
    assert modes == [part.training for part in trained.modules()]
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert all(parameter.grad is None for parameter in trained.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in trained.modules())


def test_the_last_map_of_a_pooling_head_is_taken() -> None:
    trained = AUDetection("1,2", net=lambda n: GLACNN(n, 64, (4, 4, 8, 8, 8, 8), hidden=8))
    faces = random_faces(size=64)
    assert make_maps(trained, faces, "cam", [0]).layer == "head"
    assert make_maps(trained, faces, "cam", [0]).values.shape == make_maps(
        trained, faces, "attention", []
    ).values.shape[:1] + (2, 4, 4)


def test_maps_of_jaanet_are_one_a_label() -> None:
    trained = AUDetection("1,2", net=lambda n: JAANet(n, input_size=32, unit=1, aus=(1, 2)))
    assert make_maps(trained, random_faces(), "attention", []).values.shape[:2] == (3, 2)
    assert methods(trained, random_faces()) == ["attention"]


def test_importance_of_patches_is_spread_over_their_squares() -> None:
    importance = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.05, 0.2]])  # five parts and a filter
    squares = torch.tensor([[[4, 4, 3], [20, 4, 3], [4, 20, 5], [20, 20, 5], [torch.nan] * 3]], dtype=torch.float32)
    made = own_maps(PatchOutput(torch.zeros(1, 1), importance=importance, squares=squares), SIZE)
    assert made is not None and made.shape == (1, 1, SIZE, SIZE)
    painted = made[0, 0]
    assert float(painted.sum()) == pytest.approx(0.75)  # of the filter and of the part that is not known: nothing
    assert float(painted[3:6, 19:22].sum()) == pytest.approx(0.2)  # rows before columns
    assert float(painted[18:23, 2:7].sum()) == pytest.approx(0.3)
    trained = AUDetection("1,2", net=lambda n: LandmarkTransformer(n, input_size=32, width=16, layers=1, heads=2))
    faces = random_faces()
    whole = Faces(faces.crops, np.repeat(faces.points, 2, axis=1)[:, :68], "68", faces.groups, faces.names)
    assert methods(trained, whole)[0] == "attention"
    assert methods(trained, faces)[0] == "attention"  # a face without landmarks is scored, as in training
    check_landmarks(trained, whole)
    with pytest.raises(FauError, match="needs 68 landmarks, and 'face 0' has none"):
        check_landmarks(trained, faces)


def test_faces_are_shown_as_the_network_sees_them() -> None:
    """Resized, then cut from the middle; points move with the pixels."""
    faces = random_faces(size=40)
    marked = np.zeros_like(faces.crops)
    marked[:, 10, 25] = 255  # row, column
    points = np.full((3, 49, 2), np.nan, np.float32)
    points[:, 0] = (25, 10)
    cut = module(resize=40)  # a window of 32 out of 40
    faces = Faces(marked, points, "49", faces.groups, faces.names)
    shown, moved = inputs(cut, faces), input_points(cut, faces)
    assert shown.shape == (3, SIZE, SIZE, 3)
    assert moved[0, 0].tolist() == [21, 6]
    assert shown[0, 6, 21].tolist() == [255] * 3 and shown[0].sum() == 3 * 255


def test_what_cannot_be_shown_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FauError, match="no attention of its own; choose the method cam"):
        make_maps(module(), random_faces(), "attention", [0])
    with pytest.raises(FauError, match="no blocks in which every patch attends to all"):
        make_maps(module(), random_faces(), "rollout", [0])
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(FauError, match=r"pip install 'fau\[explain\]'"):
        make_maps(module(), random_faces(), "cam", [0])
    assert cam.MISSING.endswith("'fau[explain]'")
