"""The demonstration's table and picture, and the alignment of the sample's two files."""

import pathlib

import numpy as np
import pytest
from PIL import Image
from skimage import metrics as oracle

from gif2video_jax.evaluation import demo, metrics
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.media import open_video

SAMPLES = "data/samples"


@pytest.fixture(scope="module")
def sample():
    with open_video(f"{SAMPLES}/bunny.mp4") as clip:
        assert (clip.width, clip.height, clip.rate) == (320, 180, 25)
        truth = list(clip)
    return read_gif(f"{SAMPLES}/bunny.gif"), truth


def test_the_gif_is_every_fourth_frame_of_the_clip(sample):
    gif, truth = sample
    assert len(truth) == demo.KEPT_EVERY * len(gif.frames) == 52
    for k, frame in enumerate(gif.frames):
        assert frame.delay_ms == 160
        assert frame.palettes[0].num_colors == 32
        near = range(max(0, 4 * k - 2), min(len(truth), 4 * k + 3))
        scores = [metrics.psnr(frame.rgb, truth[index]) for index in near]
        assert near[int(np.argmax(scores))] == 4 * k


def test_the_table_scores_key_frames_and_frames_between(sample):
    gif, truth = [frame.rgb for frame in sample[0].frames], sample[1]
    lines = demo.table(gif, truth, truth).splitlines()
    expected = np.mean(
        [oracle.peak_signal_noise_ratio(truth[4 * k], frame) for k, frame in enumerate(gif)]
    )
    assert lines[1].split()[:5] == ["frames", "of", "the", "GIF", "GIF"]
    assert float(lines[1].split()[5]) == pytest.approx(expected, abs=0.006)
    assert lines[2].split() == ["restored", "inf", "dB", "1.000"]
    held, blended, perfect = (float(line.split()[-3]) for line in lines[3:])
    assert held < blended < perfect == np.inf


def test_blending_mixes_by_time():
    gif = [np.full((1, 1, 3), value, np.uint8) for value in (0, 100)]
    values = [demo.blend(gif, index)[0, 0, 0] for index in (0, 1, 2, 3)]
    assert values == [0, 25, 50, 75]


def test_the_demonstration_runs_from_end_to_end(tiny_model, tmp_path):
    # The tiny model keeps colours and blends: what it makes of each frame is known.
    text = demo.run(pathlib.Path(SAMPLES), tmp_path / "out", tiny_model, average=False)
    assert "52 frames" in text.splitlines()[0]
    rows = [line for line in text.splitlines() if " dB " in line]
    scores = [float(line.split()[-3]) for line in rows]
    assert scores[1] == pytest.approx(scores[0], abs=0.8)  # H.264 at half the colour resolution
    assert scores[4] == pytest.approx(scores[3], abs=0.8)
    with Image.open(tmp_path / "out" / "demo.png") as page:
        assert page.size == (5 * 324 - 4, 18 + 4 * 184 - 4)
