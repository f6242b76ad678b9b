"""Valence and arousal, and several tasks in one network, from end to end."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from relabelled import relabelled, with_gaps

from fau.cli.ensemble import main as ensemble
from fau.cli.explain import main as explain
from fau.cli.report import main as report
from fau.cli.train import main
from fau.crops.store import CropSet
from fau.labels import EXPRESSION_SETS, LABEL_SETS, au_column, au_label
from fau.metrics import au_metrics, expression_metrics, moment_scores
from fau.runs import RunDirectory, ledger

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
VA = str(EXPERIMENTS / "va-tiny.yaml")
MULTITASK = str(EXPERIMENTS / "multitask-tiny.yaml")


def _train(config: str, root: Path, arguments: list[str], *more: str) -> int:
    return main(["--config", config, *arguments, "--trainer.max_epochs=1", "--wandb=disabled", f"--runs={root}", *more])


@pytest.fixture(scope="module")
def gaps(tiny_cropset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest corpus with every label missing somewhere."""
    return with_gaps(tiny_cropset, tmp_path_factory.mktemp("gaps") / "crops")


@pytest.fixture(scope="module")
def affect(gaps: Path, tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A finished run of valence and arousal."""
    root = tmp_path_factory.mktemp("affect")
    assert _train(VA, root, tiny_args, f"--data.crop_set={gaps}") == 0
    return ledger(root)[0]


@pytest.fixture(scope="module")
def all_tasks(gaps: Path, tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A finished run of all three tasks."""
    root = tmp_path_factory.mktemp("multitask")
    assert _train(MULTITASK, root, tiny_args, f"--data.crop_set={gaps}") == 0
    return ledger(root)[0]


def test_only_frames_with_valence_or_arousal_are_scored(affect: RunDirectory, gaps: Path) -> None:
    record, kept = affect.read(), affect.arrays("predictions.npz")
    assert record["task"] == "va" and record["labels"] == ["valence", "arousal"] == kept["labels/va"].tolist()
    manifest = CropSet.open(gaps).manifest
    rows = kept["test/index"].tolist()
    assert kept["test/va/mask"].all() and len(rows) == record["sizes"]["test"]
    stored = manifest.select("valence", "arousal").to_numpy()[rows]
    np.testing.assert_array_equal(kept["test/va/label"], stored)
    assert (np.abs(kept["test/va/score"]) <= 1).all()
    assert record["metrics"].keys() >= {"val/ccc_mean", "test/ccc/valence", "test/rmse/arousal", "test/sagr_mean"}


def test_moments_by_subject_give_the_runs_metrics(affect: RunDirectory) -> None:
    counts, metrics = affect.arrays("counts.npz"), affect.read()["metrics"]
    assert counts["labels"].tolist() == ["valence", "arousal"] and len(counts["groups"]) > 1
    scores = moment_scores(counts["moments"].sum(0))
    for name, value in scores.items():
        assert value[0] == pytest.approx(metrics[f"test/{name}/valence"], abs=1e-6)


def test_predictions_need_not_be_bounded(gaps: Path, tiny_args: list[str], tmp_path: Path) -> None:
    more = (f"--data.crop_set={gaps}", "--model.bounded=false", "--model.loss=mse", "--model.optimizer.lr=1")
    assert _train(VA, tmp_path, tiny_args, *more) == 0
    run = ledger(tmp_path)[0]
    assert np.abs(run.arrays("predictions.npz")["test/va/score"]).max() > 1
    metrics = run.read()["metrics"]
    squares = [metrics[f"test/rmse/{name}"] ** 2 for name in ("valence", "arousal")]
    assert metrics["test/loss"] == pytest.approx(np.mean(squares), rel=1e-5)


def test_every_task_is_scored_on_the_frames_that_have_it(all_tasks: RunDirectory, gaps: Path) -> None:
    record, kept = all_tasks.read(), all_tasks.arrays("predictions.npz")
    assert record["task"] == "au+expression+va" and record["threshold"] == 0.5
    manifest = CropSet.open(gaps).manifest[kept["test/index"].tolist()]
    expected = {
        "au": manifest.select(pl.col(au_column(au)).is_not_null() for au in LABEL_SETS["bp4d12"]).to_numpy(),
        "expression": np.repeat(manifest["expression"].is_not_null().to_numpy()[:, None], 8, 1),
        "va": manifest.select(pl.col("valence", "arousal").is_not_null()).to_numpy(),
    }
    for task, mask in expected.items():
        np.testing.assert_array_equal(kept[f"test/{task}/mask"], mask)
        assert mask.any() and not mask.all()
    assert np.hstack(list(expected.values())).any(1).all(), "frames without any label are left out"


def test_each_tasks_metrics_are_its_own(all_tasks: RunDirectory) -> None:
    kept, metrics = all_tasks.arrays("predictions.npz"), all_tasks.read()["metrics"]

    def of(task: str) -> list[np.ndarray]:
        return [kept[f"test/{task}/{name}"] for name in ("score", "label", "mask")]

    au = au_metrics(*of("au"), [au_label(number) for number in LABEL_SETS["bp4d12"]])
    expression = expression_metrics(*of("expression"), EXPRESSION_SETS["affectnet8"])
    assert metrics["test/au/f1_macro"] == pytest.approx(au["f1_macro"])
    assert metrics["test/expression/f1/neutral"] == pytest.approx(expression["f1/neutral"])
    total = au["f1_macro"] + expression["f1_macro"] + metrics["test/va/ccc_mean"]
    assert metrics["test/mtl_score"] == pytest.approx(total, abs=1e-6)


def test_counts_of_every_task_are_in_one_file(all_tasks: RunDirectory) -> None:
    counts = all_tasks.arrays("counts.npz")
    assert counts["au/labels"].tolist() == [au_label(number) for number in LABEL_SETS["bp4d12"]]
    assert counts["expression/tp"].shape == (len(counts["expression/groups"]), 8)
    assert counts["va/moments"].shape == (len(counts["va/groups"]), 2, 7)
    assert counts["au/threshold"] == 0.5 and np.isnan(counts["expression/threshold"])


def test_the_table_shows_every_task(
    all_tasks: RunDirectory, gaps: Path, tiny_args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = all_tasks.path.parents[1]
    assert _train(MULTITASK, root, tiny_args, f"--data.crop_set={gaps}") == 0
    printed = capsys.readouterr().out
    assert "is done already" in printed
    assert all(word in printed for word in ("AU12", "happiness", "arousal", "CCC", "sum of the tasks' scores"))


def _second(run: RunDirectory, root: Path, name: str) -> RunDirectory:
    """A run of another name whose scores are those of the first with a little noise."""
    shutil.copytree(run.path, root / name)
    made = RunDirectory(root / name)
    made.write(made.read() | {"name": name, "run_id": f"{name} of a test"})
    noise = np.random.default_rng(0)
    arrays = made.arrays("predictions.npz")
    for key in [key for key in arrays if key.endswith("/score")]:
        moved = np.clip(arrays[key] + noise.normal(0, 0.1, arrays[key].shape), 0.01, 0.99).astype(np.float32)
        arrays[key] = moved / moved.sum(1, keepdims=True) if "expression" in key else moved
    made.write_arrays("predictions.npz", arrays)
    return made


def test_ensembles_of_numbers_and_of_several_tasks(
    affect: RunDirectory, all_tasks: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in (affect, all_tasks):
        root = tmp_path / str(run.read()["experiment"])
        pair = [_second(run, root, name) for name in ("one", "other")]
        assert ensemble([str(root)]) == 0
        assert f"test {'CCC' if run is affect else 'score'}" in capsys.readouterr().out
        written = [found for found in ledger(root) if "members" in found.read()]
        assert sorted(found.read()["name"] for found in written) == ["all_models", "avg_all"]
        for found in written:
            kept, record = found.arrays("predictions.npz"), found.read()
            for task in str(record["task"]).split("+"):
                weights = np.array(record["ensemble"]["weights"][task])
                np.testing.assert_allclose(weights.sum(0), 1)
                scores = [own.arrays("predictions.npz")[f"test/{task}/score"].astype(float) for own in pair]
                mean = sum(score * row for score, row in zip(scores, weights, strict=True))
                mean = mean / mean.sum(1, keepdims=True) if task == "expression" else mean
                np.testing.assert_allclose(kept[f"test/{task}/score"], mean, atol=1e-6)
            assert np.isfinite(record["metrics"][f"test/{record['monitor'].partition('/')[2]}"])
        assert report([str(root), "--out", str(root / "report")]) == 0
        printed = capsys.readouterr().out
        assert "avg_all" in printed and ("Score over all tasks" in printed) == (run is all_tasks)


def test_what_several_tasks_look_at(all_tasks: RunDirectory, tmp_path: Path) -> None:
    few = ["--faces", "1", "--sample", "4", "--device", "cpu"]
    assert explain([str(all_tasks.path), "--out", str(tmp_path), *few]) == 0
    names = {file.name for file in tmp_path.iterdir()}
    assert "index.html" in names and any(name.startswith("au-") for name in names)
    assert any(name.startswith("expression-") for name in names)


def test_what_numbers_look_at_is_not_drawn(
    affect: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain([str(affect.path), "--out", str(tmp_path / "explain")]) == 2
    said = capsys.readouterr().err
    assert "valence and arousal" in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "explain").exists()


def test_losses_of_expressions_train(tiny_args: list[str], tmp_path: Path) -> None:
    config = str(EXPERIMENTS / "expression.yaml")
    losses = [
        ["--model.focal_gamma=2", "--data.weights=effective", "--data.weights_beta=0.99"],
        ["--model.logit_adjustment=1", "--data.weights=none", "--model.label_smoothing=0.1"],
        ["--model.logit_adjustment=0", "--data.weights=none"],
    ]
    for loss in losses:
        assert _train(config, tmp_path, tiny_args, *loss) == 0
    assert len(ledger(tmp_path)) == len(losses)


def _without(cropset: Path, out: Path, *names: str) -> Path:
    return relabelled(cropset, out, *(pl.lit(None, pl.Float32).alias(name) for name in names))


@pytest.mark.parametrize(
    ("config", "arguments", "said"),
    [
        (VA, ["--data.label_set=bp4d12"], "'bp4d12' is not va"),
        (VA, ["--data.weights=balanced"], "data.weights 'balanced' has nothing to weigh"),
        (VA, ["--data.undersample=classes"], "undersample: classes needs a label set"),
        (VA, ["--model.loss=mae"], "loss"),
        (MULTITASK, ["--data.label_set=bp4d12+disfa8"], "names two sets of one task, 'bp4d12' and 'disfa8'"),
        (MULTITASK, ["--data.label_set=bp4d12+feelings"], "'feelings' is unknown"),
        (MULTITASK, ["--model.va_weight=-1"], "model.va_weight -1"),
        (MULTITASK, ["--data.label_set=va", "--model.va_weight=0", "--data.weights=none"], "leave nothing"),
        ("expression.yaml", ["--data.label_set=va"], "holds more than expressions"),
        ("expression.yaml", ["--model.focal_gamma=2", "--model.label_smoothing=0.1"], "contradict each other"),
        ("expression.yaml", ["--model.focal_gamma=2", "--model.logit_adjustment=1"], "two answers to imbalance"),
        ("expression.yaml", ["--model.logit_adjustment=-1"], "logit_adjustment -1"),
        ("expression.yaml", ["--data.weights=effective", "--data.weights_beta=1"], "weights_beta 1.0 is outside"),
        ("gla.yaml", ["--data.label_set=bp4d12+va"], "experiments/multitask.yaml"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    config: str,
    arguments: list[str],
    said: str,
    tiny_args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _train(str(EXPERIMENTS / config), tmp_path, tiny_args, *arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_logit_adjustment_and_weights_correct_twice(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(EXPERIMENTS / "expression.yaml")
    assert _train(config, tmp_path, tiny_args, "--model.logit_adjustment=1") == 2
    assert "correct the same imbalance, together twice" in capsys.readouterr().err


def test_a_checkpoint_of_another_class_order_is_refused(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, classes = str(EXPERIMENTS / "expression.yaml"), ["anger,happiness", "happiness,anger"]
    for number, label_set in enumerate(classes):
        assert _train(config, tmp_path / str(number), tiny_args, f"--data.label_set={label_set}") == 0
    one, other = (ledger(tmp_path / str(number))[0] for number in range(2))
    assert one.read()["run_id"] != other.read()["run_id"]
    shutil.copyfile(one.checkpoints / "last.ckpt", other.checkpoints / "last.ckpt")
    other.write(other.read() | {"status": "interrupted"})
    capsys.readouterr()
    assert _train(config, tmp_path / "1", tiny_args, f"--data.label_set={classes[1]}") != 0
    assert f"the checkpoint belongs to run '{one.read()['run_id']}'" in capsys.readouterr().err


def test_labels_that_a_corpus_lacks_are_named(
    tiny_cropset: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    valence_free = _without(tiny_cropset, tmp_path / "a", "valence", "arousal")
    assert _train(VA, runs, tiny_args, f"--data.crop_set={valence_free}") == 2
    assert "has no valence, which label set 'va' asks for" in capsys.readouterr().err
    outside = relabelled(tiny_cropset, tmp_path / "b", pl.lit(-5.0, pl.Float32).alias("arousal"))
    assert _train(VA, runs, tiny_args, f"--data.crop_set={outside}") == 2
    assert "has arousal = -5 in row" in capsys.readouterr().err
    shown = pl.col("expression").replace("contempt", None).replace("fear", None)
    fewer = relabelled(tiny_cropset, tmp_path / "c", shown.alias("expression"))
    assert _train(str(EXPERIMENTS / "expression.yaml"), runs, tiny_args, f"--data.crop_set={fewer}") == 2
    printed = capsys.readouterr().err
    assert "shows no fear and no contempt" in printed and "anger,disgust,happiness" in printed
    assert not runs.exists()
