"""Every loss on two and four gloo processes: DDP's gradient is that of one process on the union batch."""

from __future__ import annotations

import inspect
import multiprocessing
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fau import losses
from fau.losses import MaskedSum
from fau.modules.base import FaceModule

pytestmark = pytest.mark.slow

SAMPLES, LABELS, FEATURES = 24, 3, 5
Union = Callable[[Tensor], Tensor] | None
Batch = dict[str, Tensor]
Loss = Callable[[Tensor, Batch, Union], MaskedSum | Tensor]


def batch() -> Batch:
    """Labels as corpora have them: gaps everywhere, and the samples of rank 0 of two and four hardly coded at all."""
    generator = torch.Generator().manual_seed(0)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(SAMPLES, *shape, generator=generator, dtype=torch.float64)

    coded = uniform(LABELS) < 0.6
    coded[::4] = False
    coded[2::4, 1:] = False
    classes = torch.where(coded[:, 0], torch.randint(0, 4, (SAMPLES,), generator=generator), -1)
    landmarks = 60 * uniform(49, 2)
    landmarks[::4, :30] = torch.nan
    landmarks[8] = torch.nan
    return {
        "x": uniform(FEATURES) - 0.5,
        "coded": coded,
        "label": torch.where(coded, (uniform(LABELS) < 0.4).double(), torch.nan),
        "value": torch.where(coded, 2 * uniform(LABELS) - 1, torch.nan),
        "class": classes,
        "share": torch.where(classes[:, None] < 0, torch.nan, uniform(4).softmax(1)),
        "landmarks": landmarks,
        "maps": uniform(2, 2, 2),
        "there": coded[:, 1],
    }


WEIGHT = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
CLASS_WEIGHT = torch.tensor([0.5, 1.0, 3.0, 2.0], dtype=torch.float64)

# name -> shape of a sample's outputs, and the loss of them; the first word is the function's name
CASES: dict[str, tuple[tuple[int, ...], Loss]] = {
    "masked_bce": ((LABELS,), lambda p, b, u: losses.masked_bce(p, b["label"], b["coded"], WEIGHT)),
    "masked_bce label_weight": ((LABELS,), lambda p, b, u: losses.masked_bce(p, b["label"], b["coded"], None, WEIGHT)),
    "masked_cross_entropy": (
        (4,),
        lambda p, b, u: losses.masked_cross_entropy(p, b["class"], class_weight=CLASS_WEIGHT, smoothing=0.1),
    ),
    "masked_soft_cross_entropy": (
        (4,),
        lambda p, b, u: losses.masked_soft_cross_entropy(p, b["share"], b["class"] >= 0, CLASS_WEIGHT, 0.1),
    ),
    "masked_focal": ((4,), lambda p, b, u: losses.masked_focal(p, b["class"], 2.0, class_weight=CLASS_WEIGHT)),
    "masked_squared_error": ((LABELS,), lambda p, b, u: losses.masked_squared_error(p, b["value"], b["coded"])),
    "concordance_loss": ((LABELS,), lambda p, b, u: losses.concordance_loss(p.tanh(), b["value"], b["coded"], u)),
    "weighted_asymmetric": (
        (LABELS,),
        lambda p, b, u: losses.weighted_asymmetric(p.sigmoid(), b["label"], b["coded"], WEIGHT),
    ),
    "edge_cross_entropy": (
        (LABELS * LABELS, 4),
        lambda p, b, u: losses.edge_cross_entropy(p, b["label"], b["coded"]),
    ),
    "weighted_dice": ((LABELS,), lambda p, b, u: losses.weighted_dice(p.sigmoid(), b["label"], b["coded"], WEIGHT)),
    "weighted_dice over_batch": (
        (LABELS,),
        lambda p, b, u: losses.weighted_dice(p.sigmoid(), b["label"], b["coded"], WEIGHT, True, union=u),
    ),
    "landmark_loss": ((49, 2), lambda p, b, u: losses.landmark_loss(30 + 5 * p, b["landmarks"])),
    "refinement_loss": ((2, 4, 4), lambda p, b, u: losses.refinement_loss(p.sigmoid(), b["maps"], b["there"])),
    "clamped_cross_entropy": (
        (LABELS,),
        lambda p, b, u: losses.clamped_cross_entropy(p.sigmoid(), b["label"], b["coded"], WEIGHT),
    ),
}


def network(shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, int(torch.Size(shape).numel())), nn.Unflatten(1, shape)
    ).double()


def gradients(net: nn.Module) -> Tensor:
    return torch.cat([cast("Tensor", parameter.grad).flatten() for parameter in net.parameters()])


def alone(case: str) -> tuple[Tensor, Tensor]:
    """Return loss and gradient of one process on the union batch."""
    shape, loss_of = CASES[case]
    net, union = network(shape), batch()
    found = loss_of(net(union["x"]), union, None)
    loss = found.mean() if isinstance(found, MaskedSum) else found
    loss.backward()
    return loss.detach(), gradients(net)


def _process(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world)
    module = cast("FaceModule", SimpleNamespace(trainer=SimpleNamespace(world_size=world)))
    own = {name: values[rank::world] for name, values in batch().items()}
    results: dict[str, Any] = {}
    for case, (shape, loss_of) in CASES.items():
        for name in (case, f"naive {case}"):
            net = network(shape)
            parallel = DistributedDataParallel(net)  # must live until the backward pass has ended
            prediction = parallel(own["x"])
            if name == case:
                found = loss_of(prediction, own, lambda local: FaceModule.union_sum(module, local))
                loss = FaceModule.union_mean(module, found) if isinstance(found, MaskedSum) else found
            else:
                found = loss_of(prediction, own, None)
                loss = found.mean() if isinstance(found, MaskedSum) else found
            loss.backward()
            mean = loss.detach().clone()
            torch.distributed.all_reduce(mean)
            results[name] = (mean / world, gradients(net))
    torch.save(results, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of a number of processes found."""
    folder, context = tmp_path_factory.mktemp("ranks"), multiprocessing.get_context("fork")
    processes = [context.Process(target=_process, args=(rank, request.param, folder)) for rank in range(request.param)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(request.param)]


@pytest.mark.parametrize("case", CASES)
def test_processes_learn_what_one_learns_from_the_union_batch(case: str, ranks: list[dict[str, Any]]) -> None:
    loss, gradient = alone(case)
    assert gradient.abs().max() > 1e-3
    for found in ranks:
        torch.testing.assert_close(found[case][0], loss, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(found[case][1], gradient, rtol=1e-7, atol=1e-9)
        assert not torch.allclose(found[f"naive {case}"][1], gradient, rtol=1e-3), "each process for itself would do"


def test_no_loss_is_left_out() -> None:
    files = [import_module(file.name) for file in pkgutil.iter_modules(losses.__path__, "fau.losses.")]
    functions = {
        name: inspect.signature(function)
        for file in files
        for name, function in inspect.getmembers(file, inspect.isfunction)
        if function.__module__ == file.__name__ and not name.startswith("_")
    }
    trained = {n for n, s in functions.items() if s.return_annotation == "MaskedSum" or "union" in s.parameters}
    assert trained == {case.split()[0] for case in CASES}
