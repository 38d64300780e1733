"""Clips: GIFs of every n-th frame, and what methods make of the frames left out."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.evaluation.benchmark import inbetweens
from gif2video_jax.evaluation.benchmark.flicker import Flicker, flicker, still_parts
from gif2video_jax.evaluation.benchmark.gif_kinds import DELAY_MS, GifKind, make_gif
from gif2video_jax.evaluation.benchmark.inbetweens import Method
from gif2video_jax.evaluation.benchmark.inputs import Clip
from gif2video_jax.evaluation.benchmark.ours import Restored, Restorer
from gif2video_jax.evaluation.benchmark.perceptual import Distance
from gif2video_jax.evaluation.benchmark.scores import Scores, finite_psnr, joined, score_pictures
from gif2video_jax.media import open_writer

Picture = UInt8[np.ndarray, "h w 3"]

NEAREST, BLENDED, FFMPEG, FLOW = "GIF, nearest", "GIF, blended", "minterpolate", "flow on GIF"
FLOW_ON_OURS, OURS = "flow on ours", "ours"
ALONE = "each frame alone"


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """One method on all clips.

    Attributes:
      setting: that was best; empty where there is no choice.
      scores: one value a clip, of the frames in between.
      frames: for each clip all frames, from the first key frame to the last.
    """

    setting: str
    scores: Scores
    frames: list[list[Picture]]


@dataclasses.dataclass(frozen=True, eq=False)
class ClipsRow:
    """All methods on one kind of GIF with every `keep_every`-th frame.

    Attributes:
      kind: of GIF.
      keep_every: how many frames of the clip there are for one of the GIF.
      clips: from the first frame of the GIF to its last.
      tracks: by method; what the tables call columns.
      key_scores: of the GIF's own frames: the GIF's, ours, and ours without averaging.
      flickers: of the GIF's frames, ours and the truth's, for each clip.
      gif_bytes: size of each GIF.
      video_bytes: size of each restored MP4.
      frame_milliseconds: of our model, an output frame of each clip.
      held_cuts: intervals that our model took for a change of scene.
      left_alone: names of clips that the decision did not restore, and why.
    """

    kind: GifKind
    keep_every: int
    clips: list[Clip]
    tracks: dict[str, Track]
    key_scores: dict[str, Scores]
    flickers: list[dict[str, Flicker]]
    gif_bytes: list[int]
    video_bytes: list[int]
    frame_milliseconds: list[float]
    held_cuts: int
    left_alone: dict[str, str]

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return {
            "kind": self.kind.name,
            "keep_every": self.keep_every,
            "clips": [clip.name for clip in self.clips],
            "frames_between": {
                name: {"setting": track.setting, **track.scores.as_dict()}
                for name, track in self.tracks.items()
            },
            "key_frames": {name: scores.as_dict() for name, scores in self.key_scores.items()},
            "flicker": [
                {name: dataclasses.asdict(found) for name, found in clip.items()}
                for clip in self.flickers
            ],
            "gif_bytes": self.gif_bytes,
            "video_bytes": self.video_bytes,
            "milliseconds_per_output_frame": self.frame_milliseconds,
            "held_cuts": self.held_cuts,
            "left_alone": self.left_alone,
        }


def measure_clips(
    kind: GifKind,
    keep_every: int,
    clips: Sequence[Clip],
    restorer: Restorer,
    *,
    lpips: Distance | None = None,
    quick: bool = False,
) -> ClipsRow:
    """Measures all methods.

    Args:
      kind: of GIF.
      keep_every: 2 or more; a clip's frames after the last key frame are left out.
      clips: with more than `keep_every` frames each.
      restorer: our model.
      lpips: the perceptual distance, if it can be measured.
      quick: tries fewer settings of flow and minterpolate.
    """
    clips = [_whole(clip, keep_every) for clip in clips]
    truths = [clip.frames for clip in clips]
    gifs = [make_gif(frames[::keep_every], kind) for frames in truths]
    keys = [[frame.rgb for frame in frames] for frames, _ in gifs]
    restored = [restorer(frames, keep_every) for frames, _ in gifs]
    clean = [result.frames[::keep_every] for result in restored]
    alone = [restorer(frames, average=False).frames for frames, _ in gifs]
    race = _Race(truths, keep_every, lpips, quick)
    tracks = {
        NEAREST: race.run({"": inbetweens.nearest}, keys),
        BLENDED: race.run({"": inbetweens.blended}, keys),
        FFMPEG: race.run(inbetweens.minterpolate_settings(), keys),
        FLOW: race.run(inbetweens.flow_settings(), keys),
        FLOW_ON_OURS: race.run(inbetweens.flow_settings(), clean),
        OURS: race.judge("", [result.frames for result in restored]),
    }
    true_keys = [frames[::keep_every] for frames in truths]
    return ClipsRow(
        kind=kind,
        keep_every=keep_every,
        clips=clips,
        tracks={name: track for name, track in tracks.items() if track is not None},
        key_scores={
            name: joined(
                score_pictures(frames, true, lpips)
                for frames, true in zip(made, true_keys, strict=True)
            )
            for name, made in (("GIF", keys), (ALONE, alone), (OURS, clean))
        },
        flickers=[
            _flickers(true, gif, ours)
            for true, gif, ours in zip(true_keys, keys, clean, strict=True)
        ],
        gif_bytes=[size for _, size in gifs],
        video_bytes=[video_size(result.frames, keep_every) for result in restored],
        frame_milliseconds=[1000 * one.seconds / len(one.frames) for one in restored],
        held_cuts=sum(result.cuts for result in restored),
        left_alone=_left_alone(clips, restored),
    )


class _Race:
    """Runs methods on clips and keeps the best setting."""

    def __init__(self, truths, keep_every: int, lpips: Distance | None, quick: bool):
        self._truths = truths
        self._keep_every = keep_every
        self._lpips = lpips
        self._quick = quick

    def run(self, settings: dict[str, Method], keys: list[list[Picture]]) -> Track | None:
        """The setting with the best mean PSNR; None without settings."""
        if self._quick:
            settings = dict(list(settings.items())[-1:])
        best: list[list[Picture]] = []
        best_name, best_psnr = "", -1.0
        for name, method in settings.items():
            made = [method(frames, self._keep_every) for frames in keys]
            found = self._mean_psnr(made)
            if found > best_psnr:
                best, best_name, best_psnr = made, name, found
        return self.judge(best_name, best) if best else None

    def judge(self, setting: str, made: list[list[Picture]]) -> Track:
        """Scores the frames in between."""
        scores = joined(
            score_pictures(self._between(frames), self._between(true), self._lpips)
            for frames, true in zip(made, self._truths, strict=True)
        )
        return Track(setting, scores, made)

    def _mean_psnr(self, made: list[list[Picture]]) -> float:
        pairs = [
            zip(self._between(frames), self._between(true), strict=True)
            for frames, true in zip(made, self._truths, strict=True)
        ]
        return float(np.mean([np.mean([finite_psnr(*pair) for pair in clip]) for clip in pairs]))

    def _between(self, frames: list[Picture]) -> list[Picture]:
        return [frame for index, frame in enumerate(frames) if index % self._keep_every]


def video_size(frames: Sequence[Picture], multiplier: int) -> int:
    """Bytes of the MP4 that `gif2video restore` would write."""
    height, width = frames[0].shape[:2]
    rate = Fraction(1000, DELAY_MS) * multiplier
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "restored.mp4")
        with open_writer(path, width=width, height=height, rate=rate) as writer:
            for frame in frames:
                writer.write(frame)
        return path.stat().st_size


def _whole(clip: Clip, keep_every: int) -> Clip:
    """The clip up to its last key frame."""
    last = (len(clip.frames) - 1) // keep_every * keep_every
    return dataclasses.replace(clip, frames=clip.frames[: last + 1])


def _flickers(true, gif, ours) -> dict[str, Flicker]:
    still = still_parts(true)
    named = (("truth", true), ("GIF", gif), (OURS, ours))
    return {name: flicker(frames, still) for name, frames in named}


def _left_alone(clips: Sequence[Clip], restored: Sequence[Restored]) -> dict[str, str]:
    pairs = zip(clips, restored, strict=True)
    return {clip.name: result.reason for clip, result in pairs if not result.dequantized}
