"""The page: its content, and how a browser takes it."""

import json
import re
import shutil
import subprocess

import pytest
from fake_runs import write_ablation, write_run

from fau.report.build import build_report
from fau.report.formats.page import page
from fau.report.load import load_runs
from fau.report.write import write_report


def drawings(text):
    return json.loads(re.search(r'id="drawings">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def text(ablation, tmp_path_factory):
    return page(build_report(ablation, load_runs(ablation), resamples=199), tmp_path_factory.mktemp("out"))


def test_figures_hold_the_runs(text):
    figures = drawings(text)
    assert set(figures) == {"e0-forest", "e0-heat", "e0-curves", "e0-pr"}
    forest = figures["e0-forest"][0]["figure"]["data"]
    assert sum(len(trace["y"]) for trace in forest if trace.get("error_x") and trace["name"] != "macro F1") == 4
    difference, f1 = figures["e0-heat"]
    assert len(difference["figure"]["data"][0]["z"]) == 4 and len(f1["figure"]["data"][0]["z"]) == 5
    assert [len(line) for line in f1["figure"]["data"][0]["z"]] == [13] * 5
    assert [view["label"] for view in figures["e0-curves"]][:2] == ["validation macro F1", "training loss"]
    assert len(figures["e0-curves"][0]["figure"]["data"]) == 5 * 4
    assert len(figures["e0-pr"]) == 13


def test_the_cross_is_promised_where_it_is(text):
    assert "In the view of one action unit, a cross marks the operating point" in text
    views = drawings(text)["e0-pr"]
    crosses = [sum(trace["mode"] == "markers" for trace in view["figure"]["data"]) for view in views]
    assert crosses == [0] + [5] * 12  # the mean, then the action units


def test_axes_have_titles_and_units(text):
    for views in drawings(text).values():
        layout = views[0]["figure"]["layout"]
        titles = [layout[key].get("title", {}).get("text") for key in layout if key.startswith("xaxis")]
        if "heat" not in json.dumps(views[0]["figure"]["data"][0]["type"]):
            assert all(titles)


def test_page_asks_the_network_for_nothing(text):
    own = text.replace(re.search(r"<script>/\*.*?</script>", text, re.DOTALL)[0], "")
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", own)


def test_names_are_escaped(tmp_path):
    name = "</script><b>x"
    write_ablation(tmp_path)
    write_run(tmp_path, name, 1, order=9)
    text = page(build_report(tmp_path, load_runs(tmp_path), resamples=9), tmp_path)
    assert name not in text and "&lt;/script&gt;&lt;b&gt;x" in text
    assert drawings(text)


def test_links_lead_to_the_runs(ablation, tmp_path):
    text = page(build_report(ablation, load_runs(ablation), resamples=9), tmp_path)
    links = re.findall(r'href="([^"#]+/run\.json)"', text)
    assert len(links) == 15 and all((tmp_path / link).resolve().is_file() for link in links)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH (Debian: apt-get install chromium)")
def test_in_a_browser(tmp_path):
    write_ablation(tmp_path / "runs", subjects=9)
    report = build_report(tmp_path / "runs", load_runs(tmp_path / "runs"), resamples=99)
    [file] = write_report(report, tmp_path / "out", ["html"])
    log = tmp_path / "net.json"
    console, dom = _dom(tmp_path, file, f"--log-net-log={log}")
    assert console == []
    assert 'data-drawn="4"' in dom
    forest = dom[dom.index('id="e0-forest"') : dom.index('id="e0-heat"')]
    # Four differences, the reference's diamond and five scores; nine error bars.
    assert len(re.findall(r'<path class="point[^"]*"', forest)) == 10
    assert len(re.findall(r'<path class="xerror', forest)) == 9
    heat = dom[dom.index('id="e0-heat"') : dom.index('id="e0-pr"')]
    assert len(re.findall(r'class="heatmap-label', heat)) == 4 * 13
    curves = dom[dom.index('id="e0-curves"') :]
    assert len(re.findall(r'<path class="js-line"', curves)) == 5 * (1 + 3)  # means and runs
    assert len(re.findall(r'aria-pressed="true"', dom)) == 2 * 5  # the legends
    tried = _dom(tmp_path, _used(file))
    assert tried[0] == [] and 'data-used="2 selects, 10 buttons"' in tried[1]
    events = [event.get("params") for event in json.loads(log.read_text())["events"]]
    # The browser asks for updates and the time by itself (initiator "not an origin"); the page must not ask at all.
    requested = [
        params["url"]
        for params in events
        if isinstance(params, dict)
        and params.get("initiator") not in (None, "not an origin")
        and not str(params.get("url")).startswith(("file:", "data:", "blob:"))
    ]
    assert requested == []


def _dom(folder, file, *flags):
    """Console messages and document after the page has run."""
    standing = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    standing += " --disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=20000"
    command = [BROWSER, *standing.split(), f"--user-data-dir={folder / file.stem}", *flags]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stdout


def _used(file):
    """A copy of the page whose every choice is taken and every legend entry pressed."""
    script = """
      const selects = [...document.querySelectorAll("select")].filter((s) => s.options.length > 2);
      const choose = (s, o) => { s.value = o.value; s.dispatchEvent(new Event("change")); };
      selects.forEach((s) => [...s.options].forEach((o) => choose(s, o)));
      const number = document.querySelectorAll(".legend button").length;
      for (let i = 0; i < number; i++) document.querySelectorAll(".legend button")[i].click();
      if (document.querySelectorAll('[aria-pressed="false"]').length === number)
        document.body.dataset.used = `${selects.length} selects, ${number} buttons`;
    """
    copy = file.with_name("used.html")
    copy.write_text(file.read_text().replace("</body>", f"<script>{script}</script></body>"))
    return copy


def test_a_single_epoch_shows_as_a_point(tmp_path):
    write_run(tmp_path, "short", 1, epochs=1)
    curves = drawings(page(build_report(tmp_path, load_runs(tmp_path), resamples=9), tmp_path))["e0-curves"]
    assert {trace["mode"] for trace in curves[0]["figure"]["data"]} == {"markers"}
