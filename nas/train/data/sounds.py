"""`sounds`: eight kinds of synthesised sound in noise, as spectrograms of 24 frames by 48 bins.

Nothing is recorded or downloaded. The kinds differ along time (rising, falling, pulsed, clicks), along frequency
(harmonics) or in both (vibrato, a band of noise), so that the orientation of a kernel matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.train.data.dataset import Labelled, Parts, Shape
from nas.train.data.split import SEED, digests_of

Signal: TypeAlias = NDArray[np.float64]
"""(SAMPLES,), in time."""

RATE = 8000.0
"""Samples a second."""
FRAMES = 24
BINS = 48
WINDOW = 2 * BINS
HOP = WINDOW // 2
SAMPLES = WINDOW + (FRAMES - 1) * HOP

LOWEST, HIGHEST = 500.0, 3500.0
"""Hz, of every pitch."""
SNR_DB = (-9.0, 9.0)
"""Of the sound against white noise, over the time that it lasts."""
RANGE_DB = 50.0
"""From black to white."""

COUNTS = {"train": 2400, "validation": 1600, "test": 1600}
"""Sounds of each split, which share no draw."""


def _pitched(hertz: Signal, rng: np.random.Generator) -> Signal:
    """A sine of the frequency `hertz` at each sample."""
    return np.sin(2 * np.pi * (np.cumsum(hertz) / RATE + rng.random()))


def _constant(hertz: float) -> Signal:
    return np.full(SAMPLES, hertz)


def tone(rng: np.random.Generator) -> Signal:
    """One steady pitch."""
    return _pitched(_constant(rng.uniform(LOWEST, HIGHEST)), rng)


def _sweep(rng: np.random.Generator) -> Signal:
    """A pitch that rises over the whole time, by a third to the whole of the range."""
    width = rng.uniform(1 / 3, 1) * (HIGHEST - LOWEST)
    start = rng.uniform(LOWEST, HIGHEST - width)
    return np.linspace(start, start + width, SAMPLES)


def rise(rng: np.random.Generator) -> Signal:
    """A chirp upwards."""
    return _pitched(_sweep(rng), rng)


def fall(rng: np.random.Generator) -> Signal:
    """A chirp downwards."""
    return _pitched(_sweep(rng)[::-1], rng)


def vibrato(rng: np.random.Generator) -> Signal:
    """A pitch that swings by 150 to 400 Hz, 15 to 40 times a second."""
    depth, speed = rng.uniform(150, 400), rng.uniform(15, 40)
    centre = rng.uniform(LOWEST + depth, HIGHEST - depth)
    swing = np.sin(2 * np.pi * (speed * np.arange(SAMPLES) / RATE + rng.random()))
    return _pitched(centre + depth * swing, rng)


def pulsed(rng: np.random.Generator) -> Signal:
    """A steady pitch that is on and off, 25 to 50 times a second."""
    phase = rng.uniform(25, 50) * np.arange(SAMPLES) / RATE + rng.random()
    return tone(rng) * (phase % 1 < 0.5)


def harmonics(rng: np.random.Generator) -> Signal:
    """A fundamental of 400 to 900 Hz and its multiples, each fainter than the one before."""
    fundamental = rng.uniform(400, 900)
    numbers = range(1, int(HIGHEST / fundamental) + 1)
    together = np.zeros(SAMPLES)
    for number in numbers:
        together += _pitched(_constant(number * fundamental), rng) / math.sqrt(number)
    return together


def band(rng: np.random.Generator) -> Signal:
    """Noise between two frequencies that lie 400 to 1,200 Hz apart."""
    width = rng.uniform(400, 1200)
    low = rng.uniform(LOWEST, HIGHEST - width)
    spectrum = np.fft.rfft(rng.normal(size=SAMPLES))
    hertz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    return np.fft.irfft(np.where((hertz >= low) & (hertz <= low + width), spectrum, 0), SAMPLES)


def clicks(rng: np.random.Generator) -> Signal:
    """Bursts of 1 ms, 25 to 60 a second, that hold every frequency."""
    phase = rng.uniform(25, 60) * np.arange(SAMPLES) / RATE + rng.random()
    begins = np.diff(np.floor(phase), prepend=np.floor(phase[0])) > 0
    return np.convolve(begins, rng.normal(size=8))[:SAMPLES]


KINDS: Mapping[str, Callable[[np.random.Generator], Signal]] = {
    kind.__name__: kind for kind in (tone, rise, fall, vibrato, pulsed, harmonics, band, clicks)
}
"""The classes, in the order of their labels."""


def recorded(sound: Signal, rng: np.random.Generator) -> Signal:
    """The sound for half of the time to all of it, from a random moment on, in white noise of variance 1.

    Args:
        sound: as a kind makes it, over the whole time.
        rng: of the moment, the length and the noise.
    """
    length = int(rng.integers(SAMPLES // 2, SAMPLES + 1))
    onset = int(rng.integers(SAMPLES - length + 1))
    heard = np.zeros(SAMPLES)
    heard[onset : onset + length] = sound[onset : onset + length]
    power = np.sum(heard**2) / length
    amplitude = math.sqrt(10 ** (rng.uniform(*SNR_DB) / 10) / power)
    return amplitude * heard + rng.normal(size=SAMPLES)


def spectrograms(signals: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Magnitudes in decibels: (N, SAMPLES) become (N, 1, FRAMES, BINS), low frequencies first.

    Black is the lower end of `RANGE_DB`, which is set for signals that `recorded` gives. Whole numbers, so that the
    last bits of a machine's FFT change nothing.
    """
    frames = np.lib.stride_tricks.sliding_window_view(signals, WINDOW, axis=1)[:, ::HOP]
    window = np.hanning(WINDOW)
    magnitudes = np.abs(np.fft.rfft(frames * window, axis=2))[:, None, :, 1:]
    noise = np.sqrt(np.sum(window**2))
    decibels = 20 * np.log10(np.maximum(magnitudes / noise, 1e-12)) + RANGE_DB / 2
    pixels: NDArray[np.uint8] = np.round(np.clip(decibels / RANGE_DB, 0, 1) * 255).astype(np.uint8)
    return pixels


def compose(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Spectrograms (count, 1, FRAMES, BINS) and their labels; the classes take turns."""
    kinds = list(KINDS.values())
    labels = np.arange(count, dtype=np.int64) % len(kinds)
    return spectrograms(np.stack([recorded(kinds[label](rng), rng) for label in labels])), labels


@dataclass(frozen=True)
class Sounds:
    """The source `sounds`: 8 classes, 1 x 24 x 48. Every sound is drawn anew, and the same for all studies."""

    def stamp(self) -> str:
        """Changes where the content does: never."""
        return ""

    def parts(self, shape: Shape) -> Parts:  # noqa: ARG002  # they have a size of their own
        """The spectrograms at their own size."""
        train, validation, test = (
            _labelled(*compose(count, np.random.default_rng([SEED, number])))
            for number, count in enumerate(COUNTS.values())
        )
        return Parts(train, validation, test, tuple(KINDS))


def _labelled(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Labelled:
    return Labelled(images, labels, digests_of(images))
