"""All results of a run, as Markdown, JSON and pictures."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
from collections.abc import Sequence

import jax
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import inpainting, pictures
from gif2video_jax.evaluation.benchmark import figures, tables
from gif2video_jax.evaluation.benchmark.clips import ClipsRow
from gif2video_jax.evaluation.benchmark.frontier import FrontierRow
from gif2video_jax.evaluation.benchmark.scenes import ScenesRow
from gif2video_jax.evaluation.benchmark.stills import StillsRow
from gif2video_jax.pretrained import ModelCard
from gif2video_jax.whole_files import write_whole

_HOW = """\
Each cell is PSNR in dB, mean ± standard deviation over pictures (clips: over clips, of the mean
over frames), and SSIM. Gains are of PSNR, paired. Filters, flow and minterpolate have the best of a
few settings, chosen for each kind of GIF on the measured pictures themselves, which favours them;
the model does not know the kind. It is run as `gif2video restore` runs it: where it decides that
colours were not reduced, its picture is the GIF's."""

_INPAINTING = """\
The middle squares of the clips at 128 pixels. In holes: mean L1 in levels of 255, PSNR in dB, and
flicker, the L1 of the change from frame to frame. Boxes are 0.375 to 0.5 of the side. OpenCV's
methods and the smooth fill see one frame at a time; "fill alone" is what CombCN starts from: other
frames where they show what is hidden, else the smooth fill."""


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """Everything that a run measured.

    Attributes:
      command: that ran it.
      card: of the model.
      lpips: what it was measured with, or why not.
      stills: a row a kind of GIF.
      clips: a row a kind and step; frames in between.
      scenes: a row a kind; flicker.
      frontier: a row a model.
      inpainted: a row a kind of hole and method.
      seconds: that the run took.
    """

    command: str
    card: ModelCard
    lpips: str
    stills: Sequence[StillsRow]
    clips: Sequence[ClipsRow]
    scenes: Sequence[ScenesRow]
    frontier: Sequence[FrontierRow]
    inpainted: Sequence[inpainting.Row]
    seconds: float

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return {
            "command": self.command,
            "date": _today(),
            "environment": environment(),
            "model": {"name": self.card.name, "bytes": self.card.size, **self.card.facts},
            "lpips": self.lpips,
            "pictures": list(self.stills[0].names) if self.stills else [],
            "stills": [row.as_dict() for row in self.stills],
            "clips": [row.as_dict() for row in self.clips],
            "still_scenes": [row.as_dict() for row in self.scenes],
            "frontier": [row.as_dict() for row in self.frontier],
            "inpainting": [dataclasses.asdict(row) for row in self.inpainted],
            "seconds": self.seconds,
        }

    def markdown(self) -> str:
        """All tables with what they need to be understood."""
        sections = [self._head()]
        if self.stills:
            sections += self._stills_sections()
        if self.clips:
            sections += self._clip_sections()
        if self.scenes or self.clips:
            sections += [
                "## Flicker of what stands still",
                "Standard deviation over time, levels of 255, of pixels that change by at most 2 "
                "levels from one GIF frame to the next in truth. Made scenes: a picture that "
                "stands still, with a part of another moving across it.",
                tables.flicker_table(self.scenes, self.clips),
            ]
        if self.frontier:
            sections += [
                "## Speed and quality of the models",
                "At 320x240, medians, everything compiled, the encoder left out; the gains are in "
                "dB. A network applied twice sees its own result again; its weights are not "
                "trained for that, so it shows what a step costs rather than what it could gain.",
                tables.frontier_table(self.frontier),
            ]
        if self.inpainted:
            sections += ["## Inpainting", _INPAINTING, inpainting.markdown(self.inpainted)]
        return "\n\n".join(sections) + "\n"

    def _head(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in environment().items())
        summary = self.card.facts.get("summary", "no card")
        return "\n\n".join(
            [
                "# Benchmark",
                f"`{self.command}`, {_today()}, {self.seconds:.0f} s. {facts}.",
                f"Model `{self.card.name}`, {self.card.size / 1e6:.2f} MB of weights: {summary}.",
                _HOW,
                f"LPIPS: {self.lpips}.",
            ]
        )

    def _stills_sections(self) -> list[str]:
        names = ", ".join(self.stills[0].names)
        sizes = {truth.shape[1::-1] for truth in self.stills[0].truths}
        shown = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        sections = [
            "## Stills",
            f"{len(self.stills[0].names)} pictures ({names}; {shown}).",
            tables.stills_table(self.stills),
            "Each picture, PSNR of the GIF and ours:",
            tables.pictures_table(self.stills),
            "Best settings and time:",
            tables.settings_table(self.stills),
        ]
        return sections + _alone(
            (row.kind.title, name, why)
            for row in self.stills
            for name, why in row.left_alone.items()
        )

    def _clip_sections(self) -> list[str]:
        shown = ", ".join(
            f"{clip.name} ({clip.frames[0].shape[1]}x{clip.frames[0].shape[0]}, "
            f"{len(clip.frames)} frames from number {clip.start})"
            for clip in self.clips[0].clips
        )
        cuts = sum(row.held_cuts for row in self.clips)
        sections = [
            "## Clips: frames in between",
            f"{shown}. Only frames that the GIF does not have count.",
            tables.clips_table(self.clips),
            *([f"{cuts} intervals were taken for a cut and held."] if cuts else []),
            "Each clip, PSNR; sizes of the GIF and of the restored MP4; time an output frame:",
            tables.each_clip_table(self.clips),
            "Best settings:",
            tables.clip_settings_table(self.clips),
            "## Clips: the GIF's own frames",
            tables.key_frames_table(self.clips),
        ]
        return sections + _alone(
            (row.kind.title, name, why)
            for row in self.clips
            for name, why in row.left_alone.items()
        )


def write(results: Results, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes benchmark.md, benchmark.json and the pictures; files that are there are replaced.

    Raises:
      InputError: the folder can't be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_plain(results.as_dict()), indent=1, allow_nan=False)
        for name, content in (("benchmark.md", results.markdown()), ("benchmark.json", text)):
            write_whole(folder / name, content.encode())
            written.append(folder / name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    sheets = {f"stills-{row.kind.name}": figures.stills_sheet(row) for row in results.stills}
    for row in results.clips:
        for index, clip in enumerate(row.clips):
            name = f"{clip.name}-{row.kind.name}-{row.keep_every}"
            sheets[f"strip-{name}"] = figures.clip_sheet(row, index)
            sheets[f"slices-{name}"] = figures.slice_sheet(row, index)
    for name, sheet in sheets.items():
        pictures.write_png(folder / f"{name}.png", sheet)
        written.append(folder / f"{name}.png")
    return written


def environment() -> dict[str, str]:
    """The machine and the versions that figures depend on."""
    device = jax.devices()[0]
    found = {"CPU": f"{_processor()} ({os.cpu_count()} cores)"}
    if hasattr(os, "getloadavg"):
        # Times mean little where other work runs beside: one on an idle machine with one thread.
        found["load of the last 5 minutes"] = f"{os.getloadavg()[1]:.1f}"
    if device.platform != "cpu":
        found[device.platform.upper()] = device.device_kind
    return found | {"Python": platform.python_version(), "JAX": jax.__version__}


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _today() -> str:
    return datetime.date.today().isoformat()


def _alone(found) -> list[str]:
    lines = [f"- {kind}, {name}: {why}" for kind, name, why in found]
    return ["Not restored, for the decision left them alone:", "\n".join(lines)] if lines else []


def _plain(value):
    """Replaces what JSON can't hold: NaN by None, NumPy's numbers by Python's."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
