"""Fit the background of the synthetic labels to BP4D's rates and phi coefficients.

    python benchmarks/calibrate_labels.py [--subjects 300] [--rounds 60]

Writes fau/assets/background.json; raise GENERATOR_VERSION in fau/synthetic/recipe.py when it changes.
About two minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

import fau
from fau.synthetic.copula import AUS, BP4D_PHI, COLUMN, DISFA_PHI, TARGET_RATES, Background
from fau.synthetic.recipe import Recipe
from fau.synthetic.sequences import make_labels

Array = NDArray[np.float64]

# "All others within +-.2" is what BP4D's table says of unnamed pairs; a wider band for AUs that it does not code.
BAND_BP4D, BAND_OTHER = 0.17, 0.25


def occurrence(recipe: Recipe, background: Background) -> Array:
    """Return occurrence of every frame, shape (n, 18)."""
    coded = np.concatenate([sequence.coded for sequence in make_labels(recipe, background)])
    return (coded >= recipe.occurrence_threshold).astype(np.float64)


def nearest_correlation(matrix: Array, floor: float = 0.02) -> Array:
    """Return a positive definite correlation matrix near a symmetric one, by clipping its eigenvalues."""
    for _ in range(20):
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(values, floor)) @ vectors.T
        scale = np.sqrt(np.diag(matrix))
        matrix = matrix / scale[:, None] / scale
    return matrix


def calibrate(recipe: Recipe, rounds: int, report: Callable[[str], None]) -> Background:
    """Move thresholds and correlation, round by round, against what is left of the error."""
    rates = np.array([TARGET_RATES[au] / 100.0 for au in AUS])
    thresholds = -ndtri(rates)
    correlation = np.eye(len(AUS))
    drawn = [COLUMN[au] for au in AUS if au != 43]  # blinks have a process of their own
    named = {(COLUMN[a], COLUMN[b]): phi for (a, b), phi in (BP4D_PHI | DISFA_PHI).items()}
    for number in range(rounds):
        background = Background(thresholds, correlation)
        seen = occurrence(recipe, background)
        step = 0.8 if number < 0.7 * rounds else 0.4
        thresholds = np.clip(thresholds + step * (ndtri(seen.mean(0).clip(0.002, 0.998)) - ndtri(rates)), -3.0, 4.0)
        phi = np.corrcoef(seen.T)
        error = np.zeros_like(phi)
        for i, a in enumerate(drawn):
            for b in drawn[i + 1 :]:
                if (a, b) in named:
                    error[a, b] = named[a, b] - phi[a, b]
                else:
                    band = BAND_BP4D if {AUS[a], AUS[b]}.isdisjoint({5, 9, 20, 25, 26}) else BAND_OTHER
                    error[a, b] = np.clip(phi[a, b], -band, band) - phi[a, b]
        correlation = nearest_correlation(np.clip(correlation + step * (error + error.T), -0.97, 0.97))
        worst = np.abs(100 * (seen.mean(0) - rates)).max()
        report(f"round {number + 1}: worst rate off by {worst:.1f} points, worst phi by {np.abs(error).max():.2f}")
    return Background(thresholds, correlation)


def main() -> None:
    """Calibrate and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    # Another seed than any corpus has, so that the default corpus is a sample and not the target.
    recipe = Recipe("calibration", subjects=options.subjects, frames=10, seed=20_000, uncoded_blocks=0.0)
    background = calibrate(recipe, options.rounds, print)
    pairs = {
        f"{a}-{b}": round(float(background.correlation[COLUMN[a], COLUMN[b]]), 3)
        for i, a in enumerate(AUS)
        for b in AUS[i + 1 :]
    }
    stored = {
        "source": "benchmarks/calibrate_labels.py: thresholds and correlations of the background's latent values",
        "thresholds": {str(au): round(float(background.thresholds[COLUMN[au]]), 3) for au in AUS},
        "correlation": pairs,
    }
    file = Path(fau.__file__).parent / "assets" / "background.json"
    file.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {file.name}")


if __name__ == "__main__":
    main()
