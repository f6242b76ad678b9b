"""Scores by task."""

from __future__ import annotations

import numpy as np
import torch
from seen import SIZE, random_faces

from fau.explain.scores import columns, scores
from fau.modules.detection import AUDetection
from fau.nets.gla import GLACNN


def test_each_task_has_its_columns_and_its_kind_of_score() -> None:
    assert columns("1,12+anger,fear,other+va") == {"au": [0, 1], "expression": [2, 3, 4], "va": [5, 6]}
    torch.manual_seed(0)
    trained = AUDetection("1,2,4,5,6,7,9", net=lambda n: GLACNN(n, SIZE, (4, 4, 8, 8, 8, 8), hidden=8)).eval()
    faces = random_faces()
    with torch.no_grad():
        logits = trained.net(trained.transform(torch.from_numpy(faces.crops))).logits
    given = scores(trained, faces, "1,12+anger,fear,other+va")
    np.testing.assert_allclose(given[:, :2], logits[:, :2].sigmoid(), rtol=1e-5)
    np.testing.assert_allclose(given[:, 2:5], logits[:, 2:5].softmax(1), rtol=1e-5)
    assert np.isnan(given[:, 5:]).all()  # a value, no score
