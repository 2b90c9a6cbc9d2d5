"""audio-folder: what it makes of recordings, what it refuses, and how it augments them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from compress.errors import InputError
from compress.metrics.scores import answers
from compress.pipeline.scenarios import check_slices, corrupted_slices, slices_of
from compress.recipe.nodes import AudioFolderTask, Slices
from compress.students.factories.make import families_for
from compress.tasks import Task, build_task
from compress.tasks.augment_audio import AudioAugmentation, augment_audio
from compress.tasks.corrupt_audio import with_noise
from compress.tasks.data import Samples
from compress.tasks.recordings import audio_folder
from compress.tasks.views import view_inputs
from compress.tasks.waveform import log_mel, read_waveform
from tests.compress.tasks.sounds import RATE, save_tones, tone, wav


def _node(root: Path, **node: Any) -> AudioFolderTask:
    given = {"sample_rate": RATE, "seconds": 0.2} | node
    return AudioFolderTask(kind="audio-folder", data=root.name, **given)


def _build(root: Path, **node: Any) -> Task:
    return build_task(_node(root, **node), folder=root.parent, seed=0, cache=root.parent / "cache")


def test_rows_are_the_recordings_in_the_order_of_their_names(tmp_path: Path) -> None:
    root = save_tones(tmp_path / "d", 10)
    task = _build(root)
    assert (len(task.train), len(task.validation), len(task.test())) == (22, 2, 6)
    assert task.classes == ("high", "low", "mid")
    paths = sorted(root.rglob("*.wav"))
    for samples in (task.train, task.validation, task.test()):
        assert samples.inputs.shape[1:] == (1, 1600)
        for at, row, label in zip(samples.ids, samples.inputs, samples.labels, strict=True):
            expected = read_waveform(paths[at].read_bytes(), sample_rate=RATE, seconds=0.2)
            assert (row == expected).all()
            assert paths[at].parent.name == task.classes[label]


def test_log_mel_rows_are_those_of_the_waveforms(tmp_path: Path) -> None:
    root = save_tones(tmp_path / "d", 10)
    waves, mels = _build(root), _build(root, features="log-mel")
    assert mels.train.inputs.shape == (22, 40, 18)
    assert (mels.train.ids == waves.train.ids).all()
    assert (mels.train.inputs == log_mel(waves.train.inputs, sample_rate=RATE, mels=40)).all()
    assert mels.fingerprint != waves.fingerprint
    assert families_for(waves) == families_for(mels) == ("sequence", "perceptron")


@pytest.mark.parametrize("features", ["waveform", "log-mel"])
def test_a_large_set_is_mapped_from_the_cache_and_equal(features: str, tmp_path: Path) -> None:
    root = save_tones(tmp_path / "d", 6)
    small, large = (
        audio_folder(
            _node(root, features=features),
            folder=tmp_path,
            seed=0,
            cache=tmp_path / "cache",
            in_memory_bytes=most,
        )
        for most in (10**9, 0)
    )
    assert isinstance(large.train[0], np.memmap)
    np.testing.assert_array_equal(large.train[0], small.train[0])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("low/a.wav", b"", "an empty file"),
        ("low/a.wav", wav(tone(440))[:-100], "a broken WAV file"),
        ("low/a.wav", wav(np.zeros(0)), "holds no sound"),
        ("low/a.mp3", b"ID3", ".mp3 files are not read"),
        ("a.wav", wav(tone(440)), "this recording lies outside of the class folders"),
        ("empty/notes.txt", b"", "class folder empty holds no WAV files"),
    ],
)
def test_a_spoiled_folder_is_refused_by_name(
    name: str, data: bytes, said: str, tmp_path: Path
) -> None:
    root = save_tones(tmp_path / "d", 4)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        _build(root)
    assert said in str(caught.value)
    assert caught.value.where.endswith(name if "empty/" not in name else "d")
    assert caught.value.cure


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mels": 40}, "mels are of `features: log-mel`"),
        ({"features": "log-mel", "seconds": 0.02}, "seconds of 0.03 or more"),
        ({"features": "log-mel", "augment": {"noise_db": 10}}, "is of waveforms"),
        ({"features": "log-mel", "augment": {"shift": "2ms"}}, "less than a step of 10 ms"),
    ],
)
def test_keys_without_a_meaning_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _node(Path("d"), **given)


def test_noise_slices_of_log_mel_rows_are_those_of_noisy_recordings(tmp_path: Path) -> None:
    root = save_tones(tmp_path / "d", 40)
    task, waves = _build(root, features="log-mel"), _build(root)
    seen: list[Samples] = []

    def scores(name: str, samples: Samples) -> np.ndarray:
        seen.append(samples)
        return np.eye(3, dtype=np.float32)[samples.labels]

    test = task.test()
    (found,) = corrupted_slices(
        task, test, "teacher", "student", node=Slices(), seed=3, scores=scores
    )
    assert (found.kind, found.name, found.samples) == ("corruption", "noise", len(test))
    noisy = with_noise(waves.test().inputs, ids=test.ids, seed=3)
    assert (seen[0].inputs == log_mel(noisy, sample_rate=RATE, mels=40)).all()
    assert np.abs(seen[0].inputs - test.inputs).max() > 1
    next(root.rglob("*.wav")).write_bytes(wav(tone(100)))
    assert task.recorded is not None
    with pytest.raises(InputError, match="changed while it was read"):
        task.recorded.waveforms(np.arange(120))


@pytest.mark.parametrize("features", ["waveform", "log-mel"])
def test_recordings_are_sliced_by_their_own_length_in_seconds(
    features: str, tmp_path: Path
) -> None:
    """0.15 to 0.35 s here, of which a network is given 0.2 s."""
    task = _build(save_tones(tmp_path / "d", 40), features=features)
    check_slices(task, Slices(by=("length",)))
    test = task.test()
    given = answers("teacher", np.eye(3, dtype=np.float32)[test.labels], test.labels)
    found = slices_of(task, test, given, given, node=Slices(by=("length",)))
    assert {one.kind for one in found} == {"length"}
    assert [one.samples for one in found] == [6] * 4
    ends = [end for one in found for end in one.name.removesuffix(" s").split(" to ")]
    assert all(one.name.endswith(" s") for one in found)
    assert [float(end) for end in ends] == sorted(float(end) for end in ends)
    assert 0.15 <= float(ends[0]) < 0.2 < 0.3 < float(ends[-1]) <= 0.35


def test_recordings_of_one_length_have_no_slices_by_it(tmp_path: Path) -> None:
    root = save_tones(tmp_path / "d", 10)
    for number, path in enumerate(sorted(root.rglob("*.wav"))):
        path.write_bytes(wav(tone(300 + number)))
    task = _build(root)
    test = task.test()
    given = answers("teacher", np.eye(3, dtype=np.float32)[test.labels], test.labels)
    assert slices_of(task, test, given, given, node=Slices(by=("length",))) == ()


AUGMENT = {"shift": "20ms", "gain_db": 6, "noise_db": 10}


def test_a_view_depends_on_seed_view_and_sample_alone(tmp_path: Path) -> None:
    task = _build(save_tones(tmp_path / "d", 10), augment=AUGMENT)
    rows = np.arange(8)
    (all_rows,) = view_inputs(task, task.train, rows, seed=1, view=2)
    (backwards,) = view_inputs(task, task.train, rows[::-1].copy(), seed=1, view=2)
    assert (all_rows == backwards.flip(0)).all()
    assert all_rows.dtype.is_floating_point
    assert all_rows.shape == (8, 1, 1600)
    for seed, view in ((1, 3), (2, 2)):
        (other,) = view_inputs(task, task.train, rows, seed=seed, view=view)
        assert (other != all_rows).any(dim=2).all()
    plain = replace(task, augmentation=AudioAugmentation())
    assert (
        view_inputs(plain, task.train, rows, seed=1, view=2)[0].numpy() == task.train.inputs[:8]
    ).all()


def test_shifts_gains_and_noise_keep_to_their_bounds() -> None:
    ids = np.arange(400)
    pulse = np.zeros((400, 1, 101), np.float32)
    pulse[:, 0, 50] = 1

    def view(**spec: Any) -> np.ndarray:
        return augment_audio(pulse, AudioAugmentation(**spec), seed=0, view=0, sample_ids=ids)

    places = view(shift_steps=7)[:, 0].argmax(axis=1)
    assert set(places.tolist()) == set(range(43, 58))
    gains = 20 * np.log10(view(gain_db=6)[:, 0, 50])
    assert gains.min() == pytest.approx(-6, abs=0.1)
    assert gains.max() == pytest.approx(6, abs=0.1)
    noise = view(noise_db=10) - pulse
    ratios = 10 * np.log10(np.square(pulse).sum((1, 2)) / np.square(noise).sum((1, 2)))
    assert np.percentile(ratios, [2, 98]) == pytest.approx([10.6, 39.4], abs=1.5)
    gone = view(shift_steps=1000)
    assert gone.shape == pulse.shape
    assert 0.02 < gone.sum() / 400 < 0.1  # 101 of 2001 shifts leave it in the window


def test_gain_of_log_mel_rows_is_that_of_the_waveform() -> None:
    waves = np.random.default_rng(0).normal(0, 0.1, (5, 1, 1000)).astype(np.float32)
    ids = np.arange(5)
    spec = AudioAugmentation(gain_db=12)
    louder = augment_audio(waves, spec, seed=4, view=1, sample_ids=ids)
    rows = log_mel(waves, sample_rate=RATE, mels=8)
    found = augment_audio(rows, replace(spec, log_mel=True), seed=4, view=1, sample_ids=ids)
    assert found == pytest.approx(log_mel(louder, sample_rate=RATE, mels=8), abs=1e-4)
