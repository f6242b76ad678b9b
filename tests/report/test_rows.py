import json

import numpy as np
import polars as pl
import pytest
from fake_runs import LABELS, write_ablation, write_run

from fau import stats
from fau.errors import FauError
from fau.metrics import au_metrics
from fau.report.build import build_report
from fau.report.load import load_runs


def build(root, **options):
    return build_report(root, load_runs(root), resamples=199, **options).experiments[0]


def test_a_row_pools_counts_over_folds(ablation):
    experiment = build(ablation)
    assert [row.name for row in experiment.rows] == [
        "full",
        "no_attention",
        "no_reweighting",
        "resnet50",
        "undersampled",
    ]
    row = experiment.reference
    assert row.groups == tuple(f"S{i:03d}" for i in range(1, 13))
    totals = sum(run.counts.sum(0) for run in row.runs)
    f1 = 2 * totals[:, 0] / (2 * totals[:, 0] + totals[:, 1] + totals[:, 2])
    assert row.estimate.macro.value == pytest.approx(f1.mean())
    folds = [stats.f1_scores(run.counts.sum(0)[:, :3]).mean() for run in row.runs]
    assert row.fold_mean == pytest.approx(np.mean(folds)) and row.fold_mean != row.estimate.macro.value
    assert row.seconds == pytest.approx(3 * 61.5) and row.images_per_second == 814 and row.parameters == 1164173
    assert experiment.warnings == [] and not any(row.marks for row in experiment.rows)


def test_comparison_is_adjusted_over_rows_and_labels(ablation):
    rows = build(ablation).rows
    reference = rows[0].counts[..., :3]
    tests = [stats.swap_test(row.counts[..., :3], reference, resamples=199) for row in rows[1:]]
    assert [row.comparison.p for row in rows[1:]] == pytest.approx(list(stats.holm([t.macro for t in tests])))
    labels = stats.holm(np.array([t.labels for t in tests]))
    assert np.array([row.comparison.label_p for row in rows[1:]]) == pytest.approx(labels)
    assert rows[0].comparison is None and rows[1].comparison.groups == 12


def test_reference_is_chosen_by_name_and_comes_first(ablation):
    experiment = build(ablation, reference="resnet50")
    assert [row.name for row in experiment.rows][:2] == ["resnet50", "full"]
    with pytest.raises(
        FauError, match=r"--reference 'nobody' is no finished row of .* choose one of full, no_attention"
    ):
        build(ablation, reference="nobody")


def test_missing_failed_and_interrupted_folds(tmp_path):
    write_ablation(tmp_path)
    write_run(tmp_path, "late", 1, order=9)
    write_run(tmp_path, "late", 2, order=9, status="failed", error="RuntimeError: no memory\nmore")
    write_run(tmp_path, "broken", 1, order=10, status="running")
    experiment = build(tmp_path)
    late = experiment.rows[-1]
    assert late.name == "late" and late.marks == {"¶", "§"} and late.comparison.groups == 4
    assert late.comparison.note == "over the 4 subjects that both tested"
    text = "\n".join(experiment.warnings)
    assert "row 'late', fold 2, seed 0 failed (RuntimeError: no memory): mend the cause" in text
    assert "row late: fold 3 of 3 missing" in text
    assert "row 'broken', fold 1, seed 0 was interrupted" in text
    assert "row 'broken' has no finished run" in text


def test_mixtures_are_warned_of(tmp_path):
    write_ablation(tmp_path)
    write_run(tmp_path, "other", 1, order=9, folds=3, threshold=0.4, code_version="0.1.0+def")
    crop_set = {"id": "ffff", "name": "synthetic", "corpus": "synthetic", "path": "x", "size": 64}
    write_run(tmp_path, "other", 2, order=9, crop_set=crop_set, warnings=["few positives of AU2"])
    write_run(tmp_path, "other", 3, order=9, selection="test", deciding={"lr": 1})
    write_run(tmp_path, "big", 1, order=10, config={"model": {"init_args": {"allow_upsample": True}}})
    needless = {"model": {"allow_upsample": True, "net": {"init_args": {"input_size": 64}}}}
    write_run(tmp_path, "fits", 1, order=11, config=needless)
    write_run(tmp_path, "ddp", 1, order=12, processes=2, devices="auto")
    trainer = {"trainer": {"limit_test_batches": 1, "sync_batchnorm": True}}
    write_run(tmp_path, "synced", 1, order=13, processes=4, config=trainer)
    text = "\n".join((experiment := build(tmp_path)).warnings)
    assert "the rows mix crop sets: synthetic (5a11c0de): full" in text and "synthetic (ffff): other" in text
    assert "the rows mix thresholds: 0.5: full" in text and "0.4: other" in text
    assert "the rows mix code versions" in text and "the rows mix ways to choose the checkpoint" in text
    assert "row 'other' mixes 2 configurations" in text
    assert "the rows mix numbers of processes (batch norm saw other shares of a batch): 1: full, " in text
    assert "; 2: ddp" in text and "; 4:" not in text
    assert "only a part of the test folds was scored (limit_test_batches, fast_dev_run): synced" in text
    assert "other: few positives of AU2" in text
    marks = {row.name: row.marks for row in experiment.rows}
    assert marks["other"] == {"†"} and "‡" in marks["big"] and "‡" not in marks["fits"]


def test_rows_with_other_labels_or_subjects_are_not_compared(tmp_path):
    write_run(tmp_path, "full", 1)
    write_run(tmp_path, "few", 1, order=1, labels=LABELS[:4])
    write_run(tmp_path, "elsewhere", 2, order=2)
    write_run(tmp_path, "other_seed", 1, seed=5, order=3)
    experiment = build(tmp_path)
    assert all(row.comparison is None for row in experiment.rows)
    text = "\n".join(experiment.warnings)
    assert "row 'few' has other labels than the reference and is not compared" in text
    assert "row 'elsewhere' has no test subject in common" in text
    assert "row 'other_seed' has no seed in common" in text
    assert "the rows mix label sets" in text


def test_seeds_are_pooled_apart_and_short_ones_left_out(tmp_path):
    for seed in (0, 1, 2):
        for fold in (1, 2, 3):
            if (seed, fold) != (2, 3):
                write_run(tmp_path, "full", fold, seed=seed, order=seed)
    experiment = build(tmp_path)
    row = experiment.reference
    assert row.seeds == (0, 1) and row.counts.shape == (2, 12, 12, 4) and row.marks == {"¶"}
    assert "seed 2 left out" in "\n".join(experiment.warnings)
    each = [stats.f1_intervals(counts[..., :3]).macro.value for counts in row.counts]
    assert row.estimate.seeds == pytest.approx(each) and row.estimate.macro.value == pytest.approx(np.mean(each))


def test_a_row_that_lacks_a_seed_of_the_reference_is_marked(tmp_path):
    for order, (name, seeds) in enumerate({"full": (0, 1), "one": (0,), "three": (0, 1, 2)}.items()):
        for seed in seeds:
            for fold in (1, 2, 3):
                write_run(tmp_path, name, fold, seed=seed, order=order)
    marks = {row.name: row.marks for row in build(tmp_path).rows}
    assert marks == {"full": {"¶"}, "one": {"¶"}, "three": set()}
    rows = build(tmp_path, reference="three").rows
    assert {row.name: row.marks for row in rows} == {"full": {"¶"}, "one": {"¶"}, "three": set()}


def test_the_level_reaches_every_interval(ablation):
    wide, narrow = (build(ablation, level=level).rows[1] for level in (0.95, 0.5))
    for kind in ("estimate", "comparison"):
        big, small = (row.estimate if kind == "estimate" else row.comparison.difference for row in (wide, narrow))
        for one, other in zip([big.macro, *big.labels], [small.macro, *small.labels], strict=True):
            assert other.high - other.low < one.high - one.low


def test_the_last_of_two_equal_runs_counts(tmp_path):
    write_run(tmp_path, "full", 1)
    again = write_run(tmp_path / "again", "full", 1, order=5, parameters=7)
    again.path.rename(tmp_path / "gla" / "again")
    experiment = build(tmp_path)
    assert experiment.reference.parameters == 7
    assert "1 run of the same seed and fold left out" in "\n".join(experiment.warnings)


def test_absent_labels_are_named_and_left_out(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, "full", fold, absent=("AU2",))
    row = build(tmp_path).reference
    assert row.absent == ("AU2",)
    values = [i.value for i in row.estimate.labels if not np.isnan(i.value)]
    assert len(values) == 11 and row.estimate.macro.value == pytest.approx(np.mean(values))


def test_damaged_runs_are_said_and_skipped(tmp_path):
    write_run(tmp_path, "full", 1)
    (write_run(tmp_path, "full", 2).path / "counts.npz").write_bytes(b"PK\x03\x04 half a file")
    (write_run(tmp_path, "full", 3).path / "run.json").write_text("{")
    (write_run(tmp_path, "new", 1, order=3).path / "metrics.csv").write_text('epoch,"x\n1,2,3\n')
    text = "\n".join(build(tmp_path).warnings)
    assert "counts.npz' cannot be read" in text and "run.json' cannot be read" in text
    assert "metrics.csv' cannot be read" in text and "its learning curve is left out" in text


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ({"status": None}, "no 'status'"),
        ({"name": None}, "no 'name'"),
        ({"labels": None}, "no 'labels'"),
        ({"metrics": None}, "no 'metrics'"),
        ({"metrics": "null"}, "'metrics' is \"null\""),
        ({"fold": [1]}, r"'fold' is \[1\]"),
        ({"crop_set": {}}, "no name in 'crop_set'"),
        ({"metrics": {"test/f1_macro": "high"}}, "'test/f1_macro' in 'metrics' is \"high\""),
        ({"metrics": {"a": 0.5, "b": [1]}}, r"'b' in 'metrics' is \[1\]"),
        ({"metrics": {"a": float("nan")}}, "'a' in 'metrics' is NaN"),
        ({"format": float("inf")}, "cannot convert float infinity to integer"),
        ({"format": None}, "no 'format'"),
    ],
)
def test_a_record_that_lacks_something_is_said_and_skipped(tmp_path, damage, fault):
    write_run(tmp_path, "full", 1)
    bad = write_run(tmp_path, "full", 2)
    record = {key: value for key, value in (bad.read() | damage).items() if value is not None or key == "error"}
    (bad.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(FauError, match=f"run.json' cannot be read .{fault}.; train the run again with --rerun"):
        bad.read()
    experiment = build(tmp_path)
    assert [run.fold for run in experiment.reference.runs] == [1]
    assert "the run is left out" in experiment.warnings[0]


def test_a_run_resumed_by_another_number_of_processes_is_said(tmp_path):
    run = write_run(tmp_path, "full", 1, epochs=4, processes=1)
    table = run.metrics()
    table.with_columns(pl.Series("processes", [2, 2, 1, 1])).write_csv(run.path / "metrics.csv")
    write_run(tmp_path, "full", 2, processes=1)
    text = "\n".join(build(tmp_path).warnings)
    assert "row 'full', fold 1, seed 0 was trained by 2 then 1 processes" in text
    table.with_columns(pl.Series("processes", [1, 1, 1, 1])).write_csv(run.path / "metrics.csv")
    assert "processes" not in "\n".join(build(tmp_path).warnings)


@pytest.mark.parametrize("content", [b"", b"\x00\xff garbage", "array"])
def test_damaged_predictions_leave_the_counts(tmp_path, content):
    file = write_run(tmp_path, "full", 1).path / "predictions.npz"
    if content == "array":
        with file.open("wb") as stream:
            np.save(stream, np.arange(3))
    else:
        file.write_bytes(content)
    experiment = build(tmp_path)
    assert experiment.reference.ranking is None and 0 < experiment.reference.estimate.macro.value < 1
    text = "\n".join(experiment.warnings)
    assert "predictions.npz' cannot be read" in text and "average precision of its row are left out" in text


@pytest.mark.parametrize("content", [b"", b"\x00\xff,1\n2\n", b"epoch,time_s\n0,x\n", b"a,b\n1,2\n"])
def test_damaged_epochs_are_one_sentence(tmp_path, content):
    run = write_run(tmp_path, "full", 1)
    (run.path / "metrics.csv").write_bytes(content)
    for read in (run.metrics, lambda: run.epoch_columns(lambda _: True)):
        with pytest.raises(FauError, match=r"metrics\.csv' cannot be read .*; train the run again with --rerun$"):
            read()


def test_columns_of_epochs_are_those_that_polars_reads(tmp_path):
    run = write_run(tmp_path, "full", 1, epochs=4)
    extra = {"processes": [1, 1, 2, 2], "val/f1": [0.1, None, float("nan"), float("inf")], "empty": [None] * 4}
    table = run.metrics().with_columns(pl.Series(name, values, strict=False) for name, values in extra.items())
    for words in ({}, {"a, word": ["x", "y", "z", None]}):
        table.with_columns(pl.Series(name, values) for name, values in words.items()).write_csv(
            run.path / "metrics.csv"
        )
        found = run.epoch_columns(lambda name: name != "lr")
        expected = {name: run.metrics()[name].to_list() for name in [*table.columns] if name not in ("lr", "empty")}
        assert repr({name: [v if v is None else float(v) for v in values] for name, values in found.items()}) == repr(
            {name: [v if v is None else float(v) for v in values] for name, values in expected.items()}
        )
    (run.path / "metrics.csv").unlink()
    assert run.epoch_columns(lambda _: True) == {}


def test_curves_of_single_labels_are_not_kept(tmp_path):
    run = write_run(tmp_path, "full", 1, epochs=2)
    table = run.metrics()
    table.with_columns(pl.Series("val/f1/AU1", [0.1, 0.2])).write_csv(run.path / "metrics.csv")
    (loaded,) = load_runs(tmp_path)
    assert set(loaded.epochs) == set(table.columns)


def test_nothing_finished(tmp_path):
    with pytest.raises(FauError, match="holds no run"):
        load_runs(tmp_path)
    write_run(tmp_path, "full", 1, status="failed", error="boom")
    with pytest.raises(FauError, match=r"holds no finished run yet: .*full fold 1: failed"):
        build(tmp_path)
    with pytest.raises(FauError, match="holds no experiment 'x'; it holds gla"):
        load_runs(tmp_path, ("x",))


def test_runs_without_predictions_have_no_ranking(tmp_path):
    write_run(tmp_path, "full", 1, predictions=False)
    assert build(tmp_path).reference.ranking is None


def test_scores_of_a_fold_are_those_of_training(ablation):
    run = build(ablation).reference.runs[0]
    stored = dict(np.load(run.path / "predictions.npz").items())
    scored = au_metrics(stored["test/au/score"], stored["test/au/label"], stored["test/au/mask"], run.labels)
    assert stats.macro_mean(stats.f1_scores(run.counts.sum(0)[:, :3])) == pytest.approx(scored["f1_macro"])
    assert stats.macro_mean(stats.accuracy(run.counts.sum(0))) == pytest.approx(scored["accuracy_macro"])
    assert run.ranking.roc_auc.mean() == pytest.approx(scored["roc_auc_macro"])
    assert run.ranking.average_precision.mean() == pytest.approx(scored["average_precision_macro"])
