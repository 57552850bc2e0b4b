"""`sounds`: what is in a spectrogram, and that it is the same for everyone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from nas.train.data import load_data
from nas.train.data import sounds as of
from nas.train.loop import train

HERTZ_A_BIN = of.RATE / of.WINDOW


def heard(kind: str, seed: int = 0) -> np.ndarray:
    """The spectrogram (frames, bins) of a kind over the whole time, as loud as white allows."""
    rng = np.random.default_rng(seed)
    signal = of.KINDS[kind](rng)
    signal = 3 * signal / np.sqrt(np.mean(signal**2)) + rng.normal(size=of.SAMPLES)
    return of.spectrograms(signal[None])[0, 0].astype(float)


def loudest(picture: np.ndarray) -> np.ndarray:
    return picture.argmax(axis=1)


def test_splits_are_balanced_and_no_sound_is_heard_twice() -> None:
    data = load_data("sounds", (1, of.FRAMES, of.BINS), 8)
    assert data.class_names == tuple(of.KINDS)
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == list(of.COUNTS.values())
    for split in splits:
        assert torch.bincount(split.labels).tolist() == [len(split) // 8] * 8
    images = torch.cat([split.images for split in splits]).flatten(1)
    assert len(torch.unique(images, dim=0)) == len(images)


def test_the_sounds_of_a_generator_are_always_the_same() -> None:
    (first, labels), (again, _), (other, _) = (of.compose(24, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == (24, 1, of.FRAMES, of.BINS)
    assert labels.tolist() == list(range(8)) * 3
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_sine_is_bright_in_the_bin_of_its_frequency() -> None:
    time = np.arange(of.SAMPLES) / of.RATE
    for number in (5, 20, 40):
        picture = of.spectrograms(np.sin(2 * np.pi * number * HERTZ_A_BIN * time)[None])[0, 0]
        assert set(loudest(picture)) == {number - 1}, "bin 0 is the first above the constant part"


def test_white_noise_of_variance_one_is_half_way_between_black_and_white() -> None:
    noise = np.random.default_rng(0).normal(size=(20, of.SAMPLES))
    decibels = of.spectrograms(noise) / 255 * of.RANGE_DB - of.RANGE_DB / 2
    # The mean of the logarithm of a power of mean 1 that is exponentially distributed: -10 gamma / ln 10.
    assert decibels.mean() == pytest.approx(-10 * np.euler_gamma / np.log(10), abs=0.1)


def test_silence_is_black_and_finite() -> None:
    assert of.spectrograms(np.zeros((1, of.SAMPLES))).max() == 0


def test_a_tone_stays_a_rise_rises_and_a_fall_falls() -> None:
    for seed in range(10):
        assert np.ptp(loudest(heard("tone", seed))) <= 1
        up, down = (loudest(heard(kind, seed)) for kind in ("rise", "fall"))
        assert np.diff(up).min() >= -1
        assert np.diff(down).max() <= 1
        third = (of.HIGHEST - of.LOWEST) / 3 / HERTZ_A_BIN
        assert up[-1] - up[0] > 0.8 * third
        assert down[0] - down[-1] > 0.8 * third


def test_vibrato_swings_both_ways() -> None:
    for seed in range(10):
        steps = np.sign(np.diff(loudest(heard("vibrato", seed))))
        assert {-1, 1} <= set(steps)


def test_a_pulsed_tone_comes_and_goes_at_one_pitch() -> None:
    for seed in range(10):
        picture = heard("pulsed", seed)
        pitch = np.bincount(loudest(picture)).argmax()
        loudness = picture[:, pitch]
        assert np.ptp(loudness) > 60
        assert np.count_nonzero(np.diff(np.sign(loudness - loudness.mean()))) >= 4


def test_harmonics_are_evenly_spaced_over_frequency() -> None:
    for seed in range(10):
        spectrum = heard("harmonics", seed).mean(axis=0)
        inner = spectrum[1:-1]
        peaks = 1 + np.flatnonzero((inner > spectrum[:-2]) & (inner > spectrum[2:]) & (inner > spectrum.max() - 60))
        assert len(peaks) >= 3
        assert np.ptp(np.diff(peaks)) <= 1


def test_a_band_is_loud_between_two_frequencies_all_the_time() -> None:
    for seed in range(10):
        spectrum = heard("band", seed).mean(axis=0)
        loud = np.flatnonzero(spectrum > (spectrum.max() + spectrum.min()) / 2)
        assert 400 / HERTZ_A_BIN - 2 <= len(loud) <= 1200 / HERTZ_A_BIN + 2
        assert np.all(np.diff(loud) == 1)


def test_clicks_hold_every_frequency_and_come_again() -> None:
    for seed in range(10):
        picture = heard("clicks", seed)
        loudness = picture.mean(axis=1)
        assert np.ptp(loudness) > 30
        assert np.count_nonzero(np.diff(np.sign(loudness - loudness.mean()))) >= 4


@pytest.mark.parametrize("kind", of.KINDS)
def test_every_recording_has_the_noise_and_a_sound_that_is_there(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        signal = of.recorded(of.KINDS[kind](rng), rng)
        assert signal.shape == (of.SAMPLES,)
        assert np.isfinite(signal).all()
        # Variance 1 of the noise, and at most 9 dB more for the sound: a power of 10 ** 0.9.
        assert 0.7 < np.mean(signal**2) < 1.4 + 1.4 * 10**0.9


def test_the_content_is_that_of_every_machine() -> None:
    images, _ = of.compose(16, np.random.default_rng(0))
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "5c3a257fd28e7f2d"


def test_a_small_network_learns_well_above_chance_and_does_not_finish(network: Callable[..., nn.Module]) -> None:
    data = load_data("sounds", (1, of.FRAMES, of.BINS), 8)
    reached = train(network(classes=8), data, epochs=1, seed=0, batch_size=32).accuracy
    assert 3 / 8 < reached < 0.98
