"""Which face is taken: nearest to a box, to the frame before, or the largest; when none is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fau.crops.choose import CUT, NO_FACE, TINY, choose
from fau.crops.detect import Box, Face
from fau.errors import FauError
from fau.landmarks import bounding_box

SHAPE = (400, 600, 3)


def face(x: float, y: float, width: float, height: float | None = None) -> Face:
    """A face whose points fill the box evenly."""
    height = height or width
    across, down = np.meshgrid(np.linspace(0, width - 1, 22), np.linspace(0, height - 1, 22)[:21])
    points = np.stack([x + across.ravel(), y + down.ravel()], 1)[:478].astype(np.float32)
    box = bounding_box(points)
    assert box is not None
    return Face(points, (x, y, width, height))


LEFT, MIDDLE, RIGHT = face(20, 100, 100), face(250, 100, 80), face(450, 100, 120)


def test_no_face() -> None:
    choice = choose([], SHAPE)
    assert (choice.face, choice.fault, choice.several) == (None, NO_FACE, False)


def test_one_face() -> None:
    choice = choose([LEFT], SHAPE)
    assert (choice.face, choice.fault, choice.several) == (LEFT, "", False)


def test_the_largest_of_several_is_taken_and_counted() -> None:
    for policy in ("nearest", "largest"):
        choice = choose([LEFT, MIDDLE, RIGHT], SHAPE, policy)  # type: ignore[arg-type]
        assert choice.face is RIGHT and choice.several


def test_nearest_to_the_box_given() -> None:
    assert choose([LEFT, MIDDLE, RIGHT], SHAPE, near=(240, 90, 90, 90)).face is MIDDLE


def test_largest_looks_at_no_box() -> None:
    assert choose([LEFT, MIDDLE, RIGHT], SHAPE, "largest", near=MIDDLE.box, previous=MIDDLE.box).face is RIGHT


def test_the_box_given_goes_before_the_frame_before() -> None:
    assert choose([LEFT, MIDDLE, RIGHT], SHAPE, near=MIDDLE.box, previous=LEFT.box).face is MIDDLE


def test_a_face_away_from_the_box_given_is_another_persons() -> None:
    choice = choose([LEFT, RIGHT], SHAPE, near=(260, 100, 80, 80))
    assert (choice.face, choice.fault, choice.several) == (None, NO_FACE, True)


def test_nearest_to_the_frame_before() -> None:
    assert choose([LEFT, MIDDLE, RIGHT], SHAPE, previous=(60, 120, 100, 100)).face is LEFT


def test_after_a_jump_the_largest_is_taken() -> None:
    assert choose([LEFT, RIGHT], SHAPE, previous=(260, 300, 50, 50)).face is RIGHT


@pytest.mark.parametrize("size", [(23.9, 60.0), (60.0, 23.9)])
def test_a_tiny_face(size: tuple[float, float]) -> None:
    choice = choose([face(100, 100, *size)], SHAPE)
    assert (choice.face, choice.fault) == (None, TINY)
    assert choose([face(100, 100, *size)], SHAPE, min_size=20).fault == ""


@pytest.mark.parametrize("x", [-70, 530])  # half of it outside, on either side
def test_half_a_face(x: float) -> None:
    half = face(x, 100, 140)
    choice = choose([half], SHAPE)
    assert (choice.face, choice.fault) == (None, CUT)
    assert choose([half], SHAPE, max_outside=0.6).face is half


def test_a_face_that_the_edge_touches_is_whole() -> None:
    """A third of it is outside: less than 0.4."""
    third = face(-33, 100, 100)
    assert choose([third], SHAPE).face is third


def test_a_whole_face_goes_before_a_larger_one_that_is_cut() -> None:
    choice = choose([face(-150, 50, 300), MIDDLE], SHAPE)
    assert choice.face is MIDDLE and choice.several


def test_the_fault_is_that_of_the_face_meant() -> None:
    tiny, cut = face(300, 300, 10), face(-150, 50, 300)
    assert choose([cut, tiny], SHAPE).fault == CUT
    assert choose([cut, tiny], SHAPE, near=tiny.box).fault == TINY


def test_of_equals_the_first() -> None:
    same = face(20, 100, 100)
    assert choose([LEFT, same], SHAPE).face is LEFT
    assert choose([same, LEFT], SHAPE, near=LEFT.box).face is same


def test_an_unknown_policy() -> None:
    with pytest.raises(FauError, match="the policy 'first' is unknown; choose one of nearest, largest"):
        choose([LEFT], SHAPE, "first")  # type: ignore[arg-type]


BOX = st.tuples(*[st.floats(-200, 700)] * 2, *[st.floats(1, 400)] * 2)


@given(
    boxes=st.lists(BOX, max_size=4),
    policy=st.sampled_from(["nearest", "largest"]),
    near=st.none() | BOX,
    previous=st.none() | BOX,
)
def test_either_a_face_or_a_fault(boxes: list[Box], policy: str, near: Box | None, previous: Box | None) -> None:
    faces = [face(*box) for box in boxes]
    choice = choose(faces, SHAPE, policy, near, previous)  # type: ignore[arg-type]
    assert (choice.face is None) == bool(choice.fault)
    assert choice.several == (len(faces) > 1)
    if choice.face is not None:
        assert any(choice.face is one for one in faces) and min(choice.face.box[2:]) >= 24
