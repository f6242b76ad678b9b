"""Labels of the synthetic corpus, sequence by sequence; nothing is drawn here, so a whole corpus takes a second.

A sequence is ten seconds of one subject. A background of correlated action units comes and goes at BP4D's rates
(``fau.synthetic.copula``); over it the target expression rises, holds and falls once, each action unit with its
own lag and height, and holds back what contradicts it. Then the rules of FACS are applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fau.labels import MAX_INTENSITY
from fau.synthetic.affect import valence_arousal
from fau.synthetic.copula import AUS, COLUMN, Background, calibrated
from fau.synthetic.expressions import CLASSES, COMMON_FIRST, intensities, sample_recipe
from fau.synthetic.recipe import Recipe

Array = NDArray[np.float64]
OccluderName: TypeAlias = Literal["glasses", "hand", "mask"]

SECONDS: Final = 10.0  # a sequence's length; lags, blinks and rise times below are shares of it

# Shares of the latent variance. Rates of BP4D's three parts of 14 subjects differ by some 5 points (AU1 16 to 27 %),
# which is what a between-subject standard deviation near 20 points gives.
SUBJECT_SHARE: Final = 0.3
SEQUENCE_SHARE: Final = 0.3
_CYCLES: Final = np.array([0.6, 1.3, 2.1])  # of the latent value within a sequence

_PRESENT: Final = 1.5  # a drawn intensity from here on is coded 2 or more
_NEUTRAL_CALM: Final = 1.5  # by how much the thresholds rise in a neutral task

# What a target expression holds back of the background, as a share at its apex: units that oppose its own; a smile
# (6, 10, 12) as a whole and only in part, since people laugh at their fright and disgust. Others lose _OTHERS.
_OTHERS: Final = 0.25
_HELD_BACK: Final[dict[str, dict[int, float]]] = {
    "neutral": {},
    "anger": {1: 1, 2: 1, 6: 0.7, 9: 1, 10: 0.5, 12: 0.8, 20: 1, 26: 0.8},
    "disgust": {1: 1, 2: 1, 5: 1, 12: 0.3, 20: 1, 26: 0.8},
    "fear": {6: 0.4, 9: 1, 10: 0.4, 12: 0.5, 14: 0.5, 17: 0.7, 23: 1, 24: 1},
    "happiness": {1: 0.9, 2: 0.9, 4: 1, 5: 1, 9: 1, 15: 1, 17: 0.8, 20: 1, 23: 0.7, 24: 0.8},
    "sadness": {2: 1, 5: 1, 6: 0.6, 9: 1, 10: 0.6, 12: 0.8, 20: 0.8, 26: 0.9},
    "surprise": {4: 1, 9: 1, 15: 0.8, 17: 0.9, 20: 0.8, 23: 1, 24: 1},
    "contempt": {1: 1, 2: 1, 4: 1, 5: 1, 6: 0.3, 9: 1, 10: 0.3, 12: 0.3, 15: 0.7, 20: 1, 25: 1, 26: 1},
}

# Action units that a coder cannot tell when something covers the lower face.
_UNDER_MASK: Final = (9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
_UNDER_HAND: Final = (12, 14, 15, 17, 20, 23, 24, 25, 26)

_GOLDEN: Final = (5**0.5 - 1) / 2  # its multiples, less their whole part, spread evenly over 0..1

# Separate streams of random numbers, so that a change to one leaves the others as they are.
STREAM_SUBJECT: Final = 1
STREAM_SEQUENCE: Final = 2
STREAM_CODER: Final = 3
STREAM_IDENTITY: Final = 4
STREAM_VIEW: Final = 5
STREAM_FRAME: Final = 6


def stream(recipe: Recipe, kind: int, *index: int) -> np.random.Generator:
    """Return the random numbers of one thing in the corpus, the same in whichever process they are drawn."""
    return np.random.default_rng([recipe.seed, kind, *index])


@dataclass(frozen=True)
class Person:
    """What a subject's sequences share.

    Attributes:
        latent: Shape (18,): the subject's part of the background.
        expressiveness: Shape (18,): factors on the target expression's intensities.
        blinks: Blinks a minute.
        glasses: Whether the subject wears glasses throughout.
    """

    latent: Array
    expressiveness: Array
    blinks: float
    glasses: bool


@dataclass(frozen=True)
class Sequence:
    """One sequence's labels. F is the number of frames; AUs are in the order of ``synthetic18``.

    Attributes:
        subject: From 1.
        task: From 1.
        target: The task's target expression.
        occluder: None, ``glasses``, ``hand`` or ``mask``.
        time: Shape (F,), 0..1.
        drawn: Shape (F, 18), intensities 0..5 that the renderer gets.
        coded: Shape (F, 18), intensities 0..5 as a coder writes them down, int8.
        known: Shape (F, 18), bool: which of them were coded at all.
        expression: F names of ``CLASSES``; None where no class is shown clearly.
        valence: Shape (F,), -1..1.
        arousal: Shape (F,), -1..1.
    """

    subject: int
    task: int
    target: str
    occluder: OccluderName | None
    time: Array
    drawn: Array
    coded: NDArray[np.int8]
    known: NDArray[np.bool_]
    expression: tuple[str | None, ...]
    valence: Array
    arousal: Array


def make_person(recipe: Recipe, subject: int, background: Background | None = None) -> Person:
    """Draw what a subject's sequences share; ``subject`` counts from 1."""
    factor = (background or calibrated()).factor
    rng = stream(recipe, STREAM_SUBJECT, subject)
    return Person(
        latent=factor @ rng.standard_normal(len(AUS)),
        # Half of it is the subject's in general, half a habit of each action unit.
        expressiveness=np.exp(recipe.expressiveness * (rng.standard_normal() + rng.standard_normal(len(AUS)))),
        blinks=float(17.0 * np.exp(0.4 * rng.standard_normal())),  # adults at rest blink some 17 times a minute
        glasses=bool(rng.random() < recipe.glasses),
    )


def make_sequence(
    recipe: Recipe, person: Person, subject: int, task: int, background: Background | None = None
) -> Sequence:
    """Draw the labels of one sequence.

    Args:
        recipe: The corpus.
        person: Of ``make_person`` for the same subject.
        subject: From 1.
        task: From 1.
        background: The copula; the calibrated one when None.
    """
    background = background or calibrated()
    target = target_expression(recipe, subject, task)
    rng = stream(recipe, STREAM_SEQUENCE, subject, task)
    time = (np.arange(recipe.frames) + 0.5) / recipe.frames

    calm = _NEUTRAL_CALM if target == "neutral" else 0.0
    latent = _latent(rng, person, background.factor, time)
    rest = _response(latent - background.thresholds - calm)
    peak, rise, fall = _event(rng, person, target)
    shown = _envelope(time[:, None], rise, fall)  # (F, 19): the class as a whole, then each AU
    hold = np.array([_HELD_BACK[target].get(au, _OTHERS if peak.any() else 0.0) for au in AUS])
    hold[peak > 0] = 0.0
    intensity = np.maximum(rest * (1.0 - hold * shown[:, :1]), peak * shown[:, 1:])
    lips_closed = bool(rng.random() < 0.1)
    intensity[:, COLUMN[43]] = _eyes_closed(rng, person, time)
    intensity = apply_facs_rules(intensity, lips_closed)
    drawn = intensity + recipe.noise * np.minimum(intensity, 1.0) * rng.standard_normal(intensity.shape)
    drawn = np.clip(drawn, 0.0, MAX_INTENSITY)

    occluder = _occluder(rng, recipe, person)
    coded, known = _code(recipe, intensity, occluder, subject, task)
    strength = shown[:, 0] if peak.any() else np.zeros(len(time))
    valence, arousal = valence_arousal(target, strength * float(peak.max()), intensity)
    return Sequence(
        subject=subject,
        task=task,
        target=target,
        occluder=occluder,
        time=time,
        drawn=drawn,
        coded=coded,
        known=known,
        expression=_expression(target, strength, intensity),
        valence=valence,
        arousal=arousal,
    )


def target_expression(recipe: Recipe, subject: int, task: int) -> str:
    """Return the expression that a task aims at; subject and task count from 1.

    With an imbalance, sequences are dealt over the classes' shares by multiples of the golden ratio, which come as
    near to the shares as so many sequences can, over the corpus and over any run of subjects.
    """
    if recipe.imbalance == 1:
        return CLASSES[(task - 1) % len(CLASSES)]
    place = ((subject - 1) * recipe.tasks + task) * _GOLDEN % 1.0
    shares = recipe.imbalance ** -np.linspace(0, 1, len(COMMON_FIRST))
    return COMMON_FIRST[int(np.searchsorted(np.cumsum(shares / shares.sum())[:-1], place, side="right"))]


def make_labels(recipe: Recipe, background: Background | None = None) -> list[Sequence]:
    """Draw the labels of a whole corpus, subject by subject, task by task."""
    sequences = []
    for subject in range(1, recipe.subjects + 1):
        person = make_person(recipe, subject, background)
        tasks = range(1, recipe.tasks + 1)
        sequences += [make_sequence(recipe, person, subject, task, background) for task in tasks]
    return sequences


def apply_facs_rules(intensity: Array, lips_closed: bool) -> Array:
    """Apply what FACS says of action units that exclude or imply each other, without jumps in time.

    A dropped jaw parts the lips (26 with 25) unless they are held closed; pressed lips (24) are not parted (25, 26);
    closed eyes (43) show no raised lid (5).

    Args:
        intensity: Shape (F, 18), 0..5.
        lips_closed: Whether the jaw drops behind closed lips.

    Returns:
        A new array of the same shape.
    """
    out = intensity.copy()
    jaw, parted, pressed = out[:, COLUMN[26]].copy(), out[:, COLUMN[25]].copy(), out[:, COLUMN[24]].copy()
    if not lips_closed:
        # 0.9 keeps a jaw drop of 2 together with parted lips of 2.
        parted = np.maximum(parted, 0.9 * jaw + 0.2 * np.minimum(jaw, 1.0))
    # The stronger of the two wins, wholly when it leads by 0.6; neither shows at a tie.
    lead = (pressed - np.maximum(parted, jaw)) / 0.6
    out[:, COLUMN[24]] = pressed * np.clip(lead, 0.0, 1.0)
    out[:, COLUMN[25]] = parted * np.clip(-lead, 0.0, 1.0)
    out[:, COLUMN[26]] = jaw * np.clip(-lead, 0.0, 1.0)
    out[:, COLUMN[5]] *= 1.0 - out[:, COLUMN[43]] / MAX_INTENSITY
    return out


def _latent(rng: np.random.Generator, person: Person, factor: Array, time: Array) -> Array:
    """Draw the latent values of the background, shape (F, 18), variance 1."""
    count = len(AUS)
    sequence = factor @ rng.standard_normal(count)
    waves = rng.standard_normal((2, len(_CYCLES), count)) @ factor.T / np.sqrt(len(_CYCLES))
    lag = 0.015 * rng.standard_normal(count)
    phase = 2.0 * np.pi * _CYCLES[:, None] * (time[:, None, None] - lag)  # (F, waves, 18)
    within = (waves[0] * np.cos(phase) + waves[1] * np.sin(phase)).sum(1)
    parts = (person.latent, sequence, within)
    shares = (SUBJECT_SHARE, SEQUENCE_SHARE, 1.0 - SUBJECT_SHARE - SEQUENCE_SHARE)
    return np.asarray(sum(np.sqrt(share) * part for share, part in zip(shares, parts, strict=True)))


def _response(excess: Array) -> Array:
    """Turn a latent value's excess over its threshold into an intensity: quick at first, then a plateau below 5."""
    room = MAX_INTENSITY - _PRESENT
    high = _PRESENT + room * -np.expm1(-2.0 * np.maximum(excess, 0.0) / room)
    return np.asarray(np.where(excess > 0, high, np.maximum(_PRESENT + 2.0 * excess, 0.0)))


def _event(rng: np.random.Generator, person: Person, target: str) -> tuple[Array, Array, Array]:
    """Draw one showing of the target expression.

    Returns:
        Apex intensities (18,), and start and end of rise and of fall, (2, 19) each: the class as a whole, then each AU.
    """
    prototype = intensities(sample_recipe(target, rng))
    height = person.expressiveness * rng.uniform(0.7, 1.0) * np.exp(0.15 * rng.standard_normal(len(AUS)))
    peak = prototype * height
    start, rise = rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.2)
    hold, fall = rng.uniform(0.2, 0.4), rng.uniform(0.1, 0.25)
    lag = np.concatenate([[0.0], 0.02 * rng.standard_normal(len(AUS))])
    onset = np.stack([start + lag, start + lag + rise])
    offset = np.stack([start + rise + hold + lag, start + rise + hold + lag + fall])
    return np.minimum(peak, MAX_INTENSITY), onset, offset


def _envelope(time: Array, rise: Array, fall: Array) -> Array:
    def smoothstep(bounds: Array) -> Array:
        share = np.clip((time - bounds[0]) / (bounds[1] - bounds[0]), 0.0, 1.0)
        return np.asarray(share * share * (3.0 - 2.0 * share))

    return smoothstep(rise) * (1.0 - smoothstep(fall))


def _eyes_closed(rng: np.random.Generator, person: Person, time: Array) -> Array:
    """Draw AU 43 over time: blinks of some 0.2 s, and now and then a second or two with closed eyes."""
    closed = np.zeros(len(time))
    for at in rng.uniform(0.0, 1.0, rng.poisson(person.blinks * SECONDS / 60.0)):
        # The lid is down for 0.1 s and on its way for 0.05 s before and after.
        closed = np.maximum(closed, np.clip(2.0 - np.abs(time - at) * SECONDS / 0.05, 0.0, 1.0))
    if rng.random() < 0.05:
        start, length = rng.uniform(0.0, 0.8), rng.uniform(0.1, 0.25)
        bounds = np.array([start, start + 0.02]), np.array([start + length, start + length + 0.02])
        closed = np.maximum(closed, _envelope(time, *bounds))
    return MAX_INTENSITY * closed


def _occluder(rng: np.random.Generator, recipe: Recipe, person: Person) -> OccluderName | None:
    draw = rng.random()
    if draw < recipe.mask:
        return "mask"
    if draw < recipe.mask + recipe.hand:
        return "hand"
    return "glasses" if person.glasses else None


def _code(
    recipe: Recipe, intensity: Array, occluder: OccluderName | None, subject: int, task: int
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Write down what a coder sees: whole steps, a leniency of the day, and gaps."""
    rng = stream(recipe, STREAM_CODER, subject, task)
    bias = recipe.coder_bias * rng.standard_normal(len(AUS))
    coded = np.rint(np.clip(intensity + bias * np.minimum(intensity, 1.0), 0.0, MAX_INTENSITY)).astype(np.int8)
    known = np.ones(intensity.shape, bool)
    known[:, rng.random(len(AUS)) < recipe.uncoded_blocks] = False
    known[rng.random(len(intensity)) < recipe.uncoded_frames] = False
    hidden = {"mask": _UNDER_MASK, "hand": _UNDER_HAND}.get(occluder or "", ())
    known[:, [COLUMN[au] for au in hidden]] = False
    return coded, known


def _expression(target: str, strength: Array, intensity: Array) -> tuple[str | None, ...]:
    """Name the frames' classes: the target from half of the apex on; neutral where a neutral task shows no AU."""
    if target == "neutral":
        others = [column for au, column in COLUMN.items() if au != 43]  # a blink is no expression
        shown = intensity[:, others].max(1) < _PRESENT
    else:
        shown = strength >= 0.5
    return tuple(target if yes else None for yes in shown)
