"""Label sets of several tasks in the data module: columns, weights and shares of each task by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.labels import label_tasks, output_labels

BOTH = "bp4d12+basic7"


def test_tasks_have_one_order_however_they_are_written() -> None:
    assert label_tasks("va + basic7+1,2") == {"au": "1,2", "expression": "basic7", "va": "va"}
    assert list(label_tasks("va+basic7+1,2")) == ["au", "expression", "va"]
    assert output_labels("va+1,2") == ["AU1", "AU2", "valence", "arousal"]
    with pytest.raises(FauError, match="two sets of one task, 'basic7' and 'affectnet8'"):
        label_tasks("basic7+va+affectnet8")


def test_columns_are_those_of_each_task_alone(make_data: Callable[..., FaceDataModule]) -> None:
    both, au, expression = (make_data(label_set=name).targets for name in (BOTH, "bp4d12", "basic7"))
    assert both.tasks == {"au": slice(0, 12), "expression": slice(12, 19)}
    for name, alone in (("au", au), ("expression", expression)):
        np.testing.assert_array_equal(both.present[:, both.tasks[name]], alone.present)
        np.testing.assert_array_equal(both.coded[:, both.tasks[name]], alone.coded)


@pytest.mark.parametrize("kind", ["balanced", "inverse", "effective"])
def test_each_task_is_weighted_by_its_own_counts(make_data: Callable[..., FaceDataModule], kind: str) -> None:
    both = make_data(label_set=BOTH, weights=kind)
    weights = both.positive_weights()
    rows = both.split.train
    positives = both.targets.present[rows].sum(0)
    coded = both.targets.coded[rows].sum(0)
    assert weights is not None
    if kind == "balanced":
        np.testing.assert_allclose(weights, coded / (np.array([2] * 12 + [7] * 7) * positives), rtol=1e-5)
    else:
        assert weights[:12].sum() == pytest.approx(12, rel=1e-5)
        assert weights[12:].sum() == pytest.approx(7, rel=1e-5)
        assert weights[positives[:12].argmin()] == weights[:12].max()


def test_shares_are_those_of_the_training_part_alone(make_data: Callable[..., FaceDataModule]) -> None:
    data = make_data(label_set="basic7")
    counts = data.targets.present[data.split.train].sum(0)
    np.testing.assert_allclose(data.plan.rates(), counts / counts.sum(), rtol=1e-6)
    undersampled = make_data(label_set="basic7", undersample="classes")
    np.testing.assert_allclose(undersampled.plan.rates(), 1 / 7, rtol=1e-6)


def test_beta_is_part_of_a_run_only_where_it_is_used(make_data: Callable[..., FaceDataModule]) -> None:
    assert "weights_beta" not in make_data(weights="inverse", weights_beta=0.9).describe()
    assert make_data(weights="effective", weights_beta=0.9).describe()["weights_beta"] == 0.9
