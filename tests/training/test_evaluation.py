"""The paper's protocols against scikit-image and NumPy, on a source and networks made here."""

import json

import ml_collections
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import evaluation
from gif2video_jax.training.checkpoints import Checkpoints
from gif2video_jax.training.corpus import Item, Source
from gif2video_jax.training.evaluation import evaluate_checkpoint
from gif2video_jax.training.tasks import make_task
from gif2video_jax.training.workdir import keep_config
from tests import oracles
from tests.training.shrunk_configs import SIDE, batch_of, gif_of, shrunk, smooth, state_of

FRAMES = {"long": 7, "short": 3, "single": 1}


class Videos(Source):
    """Three videos of smooth noise with the GIFs of a few colours that `gif_of` makes."""

    has_gifs = True

    def __init__(self, kind: str):
        rng = np.random.default_rng(0)
        self.items = [Item(kind, "validation", name, (name,), n) for name, n in FRAMES.items()]
        self.truth = {name: smooth(rng, n, SIDE, SIDE, 3) for name, n in FRAMES.items()}

    def __str__(self) -> str:
        return "videos"

    def frame(self, item, index=0):
        return self.truth[item.group][index]

    def gif_frames(self, item, numbers):
        truth = self.truth[item.group][numbers.start : numbers.stop]
        return {"truth": truth, **gif_of(truth)}


@pytest.fixture
def videos(monkeypatch):
    opened = {kind: Videos(kind) for kind in ("still", "clip")}

    def open_source(name, *, split, kind):
        assert (name, split) == ("tfds:somewhere", "validation")
        return opened[kind]

    monkeypatch.setattr(evaluation, "open_source", open_source)
    return opened["still"].truth


def save_run(workdir, config) -> None:
    """A checkpoint of a state of zeros, as a training leaves it."""
    state = state_of(make_task(config), batch_of(config.task), seed=None)
    checkpoints = Checkpoints(workdir)
    checkpoints.save(1, state)
    checkpoints.close()
    keep_config(config, str(workdir), resuming=False)


def config_of(name: str, **data) -> ml_collections.ConfigDict:
    config = shrunk(name)
    config.data.source = "tfds:somewhere"
    config.data.recipe = "stored"
    with config.unlocked():
        config.data.update(data)
    return config


def as_float(image):
    return image.astype(np.float32) / np.float32(127.5) - 1


def gif_frames(truth) -> np.ndarray:
    made = gif_of(truth)
    return np.stack([p[i] for p, i in zip(made["palette"], made["indices"], strict=True)])


def scikit_scores(ours, truth):
    metrics = oracles.require_module("skimage.metrics")
    return (
        metrics.peak_signal_noise_ratio(truth, ours, data_range=2),
        metrics.structural_similarity(truth, ours, data_range=2, channel_axis=-1),
    )


def test_colours_are_scored_frame_by_frame_then_video_by_video(videos, tmp_path):
    """A residual network of zeros gives back the GIF: both rows are the GIF's."""
    config = config_of("smoke.py")
    save_run(tmp_path, config)
    found = evaluate_checkpoint(config, str(tmp_path))
    assert [(v.video, v.units) for v in found.videos] == list(FRAMES.items())
    means = []
    for truth in videos.values():
        pairs = zip(as_float(gif_frames(truth)), as_float(truth), strict=True)
        means.append(np.mean([scikit_scores(ours, true) for ours, true in pairs], axis=0))
    psnr, ssim = np.mean(means, axis=0)
    for score in (found.gif, found.restored):
        assert score.psnr == pytest.approx(psnr, abs=1e-4)
        assert score.ssim == pytest.approx(ssim, abs=1e-5)
    table = str(found)
    assert "3 videos, 11 frames" in table and f"| GIF | {psnr:.2f} | {ssim:.4f} |" in table
    stored = json.loads(json.dumps(found.as_dict()))
    assert stored["gif"]["psnr"] == pytest.approx(psnr, abs=1e-4) and len(stored["videos"]) == 3
    few = evaluate_checkpoint(config, str(tmp_path), max_videos=2)
    assert [v.video for v in few.videos] == ["long", "short"]


def test_time_is_scored_clip_by_clip_with_the_nearest_key_frame_as_baseline(videos, tmp_path):
    """Clips of four frames, two apart: two of the long video, none of those that are shorter.

    Networks of zeros find no motion and trust both frames alike: they blend by closeness in time.
    """
    config = config_of("interpolation_faces_joint.py", num_frames=4, size=SIDE)
    config.evaluation.stride = 2
    config.base.kind = ""
    config.adversarial.kind = "none"
    save_run(tmp_path, config)
    found = evaluate_checkpoint(config, str(tmp_path))
    assert [(v.video, v.units) for v in found.videos] == [("long", 2)]
    scores: dict[str, list] = {"gif": [], "restored": []}
    for start in (0, 2):
        truth = as_float(videos["long"][start : start + 4])
        first, last = as_float(gif_frames(videos["long"][[start, start + 3]]))
        blended = [(2 * first + last) / 3, (first + 2 * last) / 3]
        clips = {"gif": [first, first, last, last], "restored": [first, *blended, last]}
        for row, clip in clips.items():
            error = np.mean(np.square(np.stack(clip).astype(float) - truth))
            pairs = zip(clip, truth, strict=True)
            ssim = np.mean([scikit_scores(a.astype(np.float32), b)[1] for a, b in pairs])
            scores[row].append((10 * np.log10(4 / error), ssim))
    for row, score in (("gif", found.gif), ("restored", found.restored)):
        wanted = np.mean(scores[row], axis=0)
        np.testing.assert_allclose((score.psnr, score.ssim), wanted, atol=2e-4)
    assert "temporal PSNR" in str(found) and "1 videos, 2 clips" in str(found)


def test_what_cannot_be_evaluated_is_one_line(videos, tmp_path):
    with pytest.raises(InputError, match="no checkpoint there"):
        evaluate_checkpoint(config_of("smoke.py"), str(tmp_path))
    with pytest.raises(InputError, match="config.task: the paper has protocols for"):
        evaluate_checkpoint(shrunk("default_interpolator.py"), str(tmp_path))
