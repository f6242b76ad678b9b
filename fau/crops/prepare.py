"""From a corpus to a crop set: listed, cut into jobs, prepared by workers, put together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

import fau
from fau.cores import usable_cores
from fau.corpora.base import Corpus, Listing
from fau.corpora.identify import told_what_it_is
from fau.crops.assembly import Report, assemble, refuse_losses, to_manifest
from fau.crops.format import CropSetInfo, refuse_inside_cropset
from fau.crops.jobs import Job, cut
from fau.crops.manifest import manifest_faults
from fau.crops.pool import map_in_order
from fau.crops.recipe import Settings, describe, make_task, refuse_early
from fau.crops.space import free_bytes, needed_bytes, spell
from fau.crops.unfinished import Unfinished, hash_rows
from fau.crops.work import Detector, Task, close_detector, run
from fau.crops.writer import shard_limit, why
from fau.errors import FauError

__all__ = ["Report", "Settings", "prepare"]

Say = Callable[[str], None]
Track = Callable[[int, int], None]


def prepare(
    corpus: Corpus,
    out: Path,
    settings: Settings,
    workers: int | None = None,
    say: Say = lambda _: None,
    track: Track = lambda done, total: None,
    make_detector: Callable[[], Detector] | None = None,
) -> Report:
    """Make a crop set of a corpus.

    What is done stays in the folder ``.OUT.partial`` beside ``out`` until all of it is: the same call goes on after
    an error, Ctrl-C or a kill. The bytes do not depend on the number of workers, nor on interruptions.

    Args:
        corpus: The reader.
        out: The crop set's folder; it must not exist, nor lie in the corpus's.
        settings: How.
        workers: Processes; 0 works in this one; None takes one a core.
        say: Takes sentences for the user.
        track: Takes the number of rows that are done and of all, about twice a second.
        make_detector: In place of MediaPipe, for tests; it is sent to other processes.

    Raises:
        FauError: If a setting or the delivery is not what it should be, too much of it is lost, or ``out`` cannot be
            written.
    """
    workers = usable_cores() if workers is None else workers
    _check(corpus, out, settings, workers, make_detector)
    with told_what_it_is(corpus.tree.root, corpus.name):
        listing = corpus.list()
        rows = listing.rows
        if not len(rows):
            why_not = f" ({_left_out(listing)})" if listing.losses.counts else ""
            raise FauError(
                f"'{corpus.tree.root}' holds nothing of {corpus.title} that could be used{why_not}; compare it with "
                f"the tree in docs/corpora/{corpus.name}.md"
            )
    for sentence in (*listing.found, _listed(corpus, listing), corpus.tree.packed_twice()):
        if sentence:
            say(sentence)
    unfinished = Unfinished(out)
    task = make_task(corpus, rows, settings, unfinished, make_detector)
    info = describe(corpus, settings, task, anonymous=rows["subject"].has_nulls())
    faults = manifest_faults(to_manifest(rows.with_columns(group=pl.coalesce("subject", "id")), info), info.aus)
    if faults:
        raise FauError(f"'{corpus.tree.root}' gives rows that no crop set may have: {faults[0]}")
    jobs = cut(rows, shard_limit(info.size))
    plan = {"fau": fau.__version__, "crop set": _pinned(info), "rows": hash_rows(rows), "jobs": len(jobs)}
    try:
        with unfinished.locked():
            begun = unfinished.is_begun(plan)
            left = [job for job in jobs if not (begun and unfinished.is_done(job))]
            _refuse_disk(out.parent, info, len(rows), sum(job.stop - job.start for job in left), say)
            refuse_losses(unfinished, listing.losses, len(rows), settings.max_lost)
            if not begun:
                unfinished.begin(plan, rows)
            unfinished.tidy()
            if len(left) < len(jobs):
                say(f"going on: {len(jobs) - len(left)} of {len(jobs)} parts are done")
            _work(task, jobs, left, workers, track)
            report = assemble(unfinished, info, jobs, corpus, listing, settings.max_lost, settings.copies)
            unfinished.cropset.rename(out)
            unfinished.remove()
    except OSError as error:
        raise FauError(f"making the crop set '{out}' failed: {why(error)}; the same command goes on") from error
    return report


def refuse_place(out: Path) -> None:
    """Refuse a folder that cannot become a crop set.

    Raises:
        FauError: If it exists, or lies in a crop set.
    """
    if out.exists() or out.is_symlink():  # a link to nothing would fail when all is done
        Unfinished(out).remove_leftover()
        raise FauError(f"'{out}' exists already; choose another folder or remove it first")
    refuse_inside_cropset(out)


def _check(
    corpus: Corpus, out: Path, settings: Settings, workers: int, make_detector: Callable[[], Detector] | None
) -> None:
    """Refuse what cannot work before anything is read."""
    refuse_place(out)
    root = corpus.tree.root.resolve()
    if root.is_dir() and out.resolve().is_relative_to(root):
        raise FauError(f"'{out}' lies inside '{corpus.tree.root}'; choose a folder outside the corpus's own")
    if workers < 0:
        raise FauError(f"workers = {workers}; give 0 for this process or a number of processes")
    settings.check()
    refuse_early(corpus, settings, make_detector is not None)


def _listed(corpus: Corpus, listing: Listing) -> str:
    """Say what was listed."""
    rows = listing.rows
    subjects, sequences = rows["subject"].drop_nulls().n_unique(), rows["sequence"].drop_nulls().n_unique()
    text = f"{corpus.title}: {len(rows):,} rows"
    text += f", {subjects:,} subjects" if subjects else ""
    text += f", {sequences:,} sequences" if sequences else ""
    lost = _left_out(listing)
    return text + (f"; left out: {lost}" if lost else "")


def _left_out(listing: Listing) -> str:
    return ", ".join(f"{count:,} x {cause}" for cause, count in listing.losses.counts.items())


def _pinned(info: CropSetInfo) -> dict[str, Any]:
    """Return what of a crop set an unfinished one must agree in; its name may still change."""
    return {key: value for key, value in asdict(info).items() if key != "name"}


def _refuse_disk(folder: Path, info: CropSetInfo, rows: int, left: int, say: Say) -> None:
    """Say what is needed, and refuse when the disk lacks it."""
    whole, needed = (needed_bytes(count, info.size, info.landmark_set) for count in (rows, left))
    free = free_bytes(folder)
    more = f", {spell(needed)} of it still to come" if left < rows else ""
    say(f"needs up to {spell(whole)} in '{folder}'{more}; {spell(free)} are free")
    if needed > free:
        raise FauError(
            f"'{folder}' has {spell(free)} free, but up to {spell(needed)} are needed; free some space, or choose "
            "another disk or a smaller --size"
        )


def _work(task: Task, jobs: list[Job], left: list[Job], workers: int, track: Track) -> None:
    """Do what is left."""
    total = sum(job.stop - job.start for job in jobs)
    before = total - sum(job.stop - job.start for job in left)
    track(before, total)
    if left:
        results = map_in_order(run, left, workers, 0, task, lambda done: track(before + done, total))
        try:
            with closing(results):
                for _ in results:
                    pass
        finally:
            close_detector()  # of this process, where it worked itself
    track(total, total)
