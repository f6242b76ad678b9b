"""What the renderer is made of: mesh, topology, atlas, recipes, contact sheets."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np

from fau.landmarks import mirror
from fau.synthetic.atlas import atlas_shape, vertex_to_texel
from fau.synthetic.expressions import CLASSES, PROTOTYPES, intensities, sample_recipe
from fau.synthetic.head import CHARTS, topology
from fau.synthetic.identity import make_identity
from fau.synthetic.mesh import TAG_LEFT_EYE, TAG_MOUTH, TAG_RIGHT_EYE, canonical
from fau.synthetic.occlusion import visibility
from fau.synthetic.preview import contact_sheets
from fau.synthetic.shape import neutral_shape


def test_canonical_mesh_is_whole_and_mirrors_onto_itself() -> None:
    mesh = canonical()
    assert mesh.vertices.shape == (468, 3) and mesh.triangles.shape == (898, 3)
    np.testing.assert_array_equal(mesh.mirror, mirror("478")[:468])
    np.testing.assert_array_equal(mesh.mirror[mesh.mirror], np.arange(468))
    np.testing.assert_allclose(mesh.vertices[mesh.mirror], mesh.vertices * [-1, 1, 1], atol=1e-4)
    triangles = {frozenset(t) for t in mesh.triangles.tolist()}
    mirrored = {frozenset(t) for t in mesh.mirror[mesh.triangles].tolist()}
    assert len(triangles & mirrored) > 0.9 * len(triangles)  # a few quads are cut along the other diagonal
    for tag in (TAG_RIGHT_EYE, TAG_LEFT_EYE, TAG_MOUTH):
        assert (mesh.tags == tag).sum() >= 14


def test_neutral_face_is_symmetric_with_closed_lips() -> None:
    face = neutral_shape()
    np.testing.assert_allclose(face[canonical().mirror], face * [-1, 1, 1], atol=1e-3)
    assert 0 < face[13, 1] - face[14, 1] < 0.05
    opening = (face[159, 1] - face[145, 1]) / np.hypot(*(face[33] - face[133])[:2])
    assert 0.28 < opening < 0.42  # lid opening over eye width


def test_charts_do_not_overlap_and_hold_their_vertices() -> None:
    top = topology()
    boxes = list(CHARTS.items())
    for i, (_, a) in enumerate(boxes):
        for _, b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for part, (u0, v0, u1, v1) in boxes:
        uv = top.uv[top.vertex_part == part]
        assert (uv >= (u0 - 1e-6, v0 - 1e-6)).all() and (uv <= (u1 + 1e-6, v1 + 1e-6)).all()
    assert top.triangles.max() == len(top.uv) - 1


def test_light_map_interpolates_positions() -> None:
    top = topology()
    rows, columns = atlas_shape(64)
    position = (vertex_to_texel(64) @ top.uv).reshape(rows, columns, 2) * 64 - 0.5
    y, x = np.mgrid[0:rows, 0:columns]
    middle = (slice(16, 48), slice(16, 48))  # well inside the face chart
    error = np.hypot(position[..., 0] - x, position[..., 1] - y)[middle]
    # A texel on an edge may go to the neighbouring triangle, and then takes the nearest point of that.
    assert error.mean() < 0.3 and error.max() < 2


def test_what_each_vertex_sees() -> None:
    seen = visibility(np.array([0.0, 0.0, 1.0], np.float32))
    assert seen.shape == (len(topology().uv), 2)
    assert (seen >= 0).all() and (seen[:, 1] <= 1).all()
    nose, under = 4, 2  # the tip, and below it
    assert seen[nose, 0] > seen[under, 0]
    from_right = visibility(np.array([-0.95, 0.0, 0.3], np.float32))[:, 1]
    assert from_right[36] > from_right[266]  # the subject's right cheek beside the nose, and the left one


def test_identity_survives_a_pickle() -> None:
    person = make_identity(np.random.default_rng(8))
    again = make_identity(np.random.default_rng(8))
    copy = pickle.loads(pickle.dumps(person))
    for other in (again, copy):
        np.testing.assert_array_equal(other.albedo, person.albedo)
        np.testing.assert_array_equal(other.shape, person.shape)
        np.testing.assert_array_equal(other.parts, person.parts)


def test_each_expression_has_recipes() -> None:
    rng = np.random.default_rng(0)
    for expression in CLASSES:
        assert len(PROTOTYPES[expression]) >= (1 if expression == "neutral" else 3)
        level = intensities(sample_recipe(expression, rng))
        assert level.shape == (18,) and level.min() >= 0 and level.max() <= 5
        assert bool(level.any()) == (expression != "neutral")


def test_contact_sheets_are_written(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sheets = contact_sheets(tmp_path / "sheets", 1, 32, 2, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(len(seen))) and {total for _, total in seen} == {seen[-1][0]}
    assert [p.name for p in sheets] == ["subjects.png", "expressions.png", "action_units.png", "occluders.png"]
    picture = cv2.imread(str(sheets[1]))
    assert picture.shape == (2 * 32, len(CLASSES) * 32, 3)
