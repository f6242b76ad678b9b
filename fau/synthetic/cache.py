"""The named corpora, drawn on demand and kept in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from fau.crops.store import CropSet
from fau.errors import FauError
from fau.paths import cache_folder
from fau.synthetic.recipe import Recipe, named_recipe

SMALL: Final = 1000  # crops that this process draws before a second has started
_PATIENCE: Final = 5.0  # seconds that an interrupted child gets to tidy up


def default_cropset(name: str) -> Path:
    """Return the crop set of a named recipe, drawn once and kept under ``cropsets`` in the cache.

    The folder is named after the recipe and its hash. Several processes may ask at once: one draws, the others wait. A
    damaged crop set is drawn anew.

    Args:
        name: A key of ``RECIPES``.

    Raises:
        FauError: If no recipe has that name, the cache cannot be written or drawing fails.
    """
    recipe = named_recipe(name)
    folder = cache_folder() / "cropsets"
    out = folder / f"{name}-{recipe.hash}"
    if _is_sound(out):
        return out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{out.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _say(f"waiting for another process that draws the crop set '{name}'")
            lock.acquire()
        try:
            if not _is_sound(out):
                _make(recipe, out)
        finally:
            lock.release()
    except OSError as error:
        raise FauError(f"cannot write to '{folder}': {error.strerror or error}; set FAU_CACHE to a folder") from error
    return out


def _is_sound(out: Path) -> bool:
    try:
        CropSet.open(out)
    except FauError:
        return False
    return True


def _make(recipe: Recipe, out: Path) -> None:
    for stale in (out, *out.parent.glob(f".{out.name}.*")):
        if stale.is_dir():  # damaged, or left by a process that was killed
            shutil.rmtree(stale)
    _say(f"drawing the crop set '{recipe.name}', {recipe.crops} crops of {recipe.size} px, kept in {out}")
    if recipe.crops <= SMALL:
        from fau.synthetic.corpus import synthesize

        synthesize(recipe, out, workers=0)
    else:
        _draw_apart(recipe, out)


def _draw_apart(recipe: Recipe, out: Path) -> None:
    """Draw in a program of its own: spawned workers would import, and so run, a caller's script without a guard."""
    command = [sys.executable, "-m", "fau.cli.data", "synthesize", str(out), "--recipe", recipe.name, "--quiet"]
    process = subprocess.Popen(command)
    try:
        code = process.wait()
    except BaseException:
        try:
            process.wait(_PATIENCE)  # Ctrl-C in a terminal reaches the child as well
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise
    if code:
        raise FauError(f"the crop set '{recipe.name}' could not be drawn (exit status {code}); the reason stands above")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
