import subprocess
import sys

import pytest
from fake_runs import write_run

from fau.cli.report import main


def test_writes_every_format(ablation, tmp_path, capsys):
    assert main([str(ablation), "--out", str(tmp_path / "out"), "--resamples", "99", "--reference", "full"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {"report.csv", "report_labels.csv", "report_epochs.csv", "report_published.csv"}
    assert names == tables | {"report.html", "report.md", "report.tex"}
    assert "Macro F1" in capsys.readouterr().out


def test_default_folder_and_formats(tmp_path, capsys):
    write_run(tmp_path, "full", 1)
    assert main([str(tmp_path), "--formats", "md", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report" / "report.md")
    assert main([str(tmp_path), "--formats", "none", "--experiment", "gla"]) == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.md"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{root}/nowhere"], "nowhere' is not a folder"),
        (["{root}"], "holds no run; train one with fau-train"),
        (["{runs}", "--reference", "x"], "--reference 'x' is no finished row"),
        (["{runs}", "--experiment", "x"], "holds no experiment 'x'"),
        (["{runs}", "--formats", "pdf"], "--formats names 'pdf'; choose of html, md, csv, tex"),
        (["{runs}", "--formats", ""], "--formats names nothing; choose of html, md, csv, tex"),
        (["{runs}", "--resamples", "0"], "--resamples is 0"),
        (["{runs}", "--level", "95"], "--level is 95; give a number between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence(ablation, tmp_path, capsys, arguments, sentence):
    given = [argument.format(root=tmp_path, runs=ablation) for argument in arguments]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fau-report: error: ") and sentence in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_opens_without_torch(ablation, tmp_path):
    code = (
        "import sys; from fau.cli.report import main; "
        f"status = main([{str(ablation)!r}, '--out', {str(tmp_path)!r}, '--quiet', '--resamples', '99']); "
        "heavy = {'torch', 'lightning', 'wandb', 'timm', 'cv2'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
