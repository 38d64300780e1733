"""Tells what a GIF is like: what its file says, what browsers show, what restoring would do."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from gif2video_jax.gifs.blocks import Source
from gif2video_jax.gifs.dithering import guess_dithering
from gif2video_jax.gifs.lossy import looks_lossy
from gif2video_jax.gifs.reader import MAX_PIXELS, Frame, GifReader, open_gif
from gif2video_jax.gifs.scenes import CutDetector
from gif2video_jax.gifs.timeline import default_rate, native_rate, normalize_delays
from gif2video_jax.restoring.decide import should_dequantize

_FRAMES_TO_JUDGE = 3
_FRAMES_TO_LOOK_THROUGH = 60


@dataclasses.dataclass(frozen=True)
class Description:
    """What `describe_gif` found; `str()` is the text that people read.

    Attributes:
      name: the file's.
      width: pixels.
      height: pixels.
      num_frames: as many as could be decoded.
      duration: seconds as browsers show it: delays of 0 and 10 ms count as 100 ms.
      raw_duration: seconds as the file says.
      delays_ms: of each frame, as the file says.
      native_rate: frames a second, from the median delay.
      default_rate: frames a second of a restored video.
      loop_count: None without a loop extension, 0 for ever, else how often it repeats.
      palette_sizes: colours of the palette that each frame's image has.
      num_local_palettes: frames that bring a palette of their own.
      max_colors: most different colours in one frame.
      num_partial: frames that draw only a part of the screen.
      num_interlaced: frames that are stored interlaced.
      disposals: how often each disposal method occurs.
      transparent: whether any frame has transparent pixels.
      cuts: frames that begin another scene, by number.
      dithering: "none", "error diffusion" or "ordered": a guess.
      dithering_confidence: in the guess, 0 to 1.
      lossy: whether it looks compressed lossily, see `gifs.lossy`.
      dequantize: whether `--dequantize auto` restores colours.
      reason: why, or why not.
      comments: the file's.
      problems: what is wrong with the file.
    """

    name: str
    width: int
    height: int
    num_frames: int
    duration: float
    raw_duration: float
    delays_ms: list[int]
    native_rate: float
    default_rate: float
    loop_count: int | None
    palette_sizes: list[int]
    num_local_palettes: int
    max_colors: int
    num_partial: int
    num_interlaced: int
    disposals: dict[int, int]
    transparent: bool
    cuts: list[int]
    dithering: str
    dithering_confidence: float
    lossy: bool
    dequantize: bool
    reason: str
    comments: list[str]
    problems: list[str]

    def as_dict(self) -> dict:
        """The result for programs: plain values, named as the attributes."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """A line a fact."""
        rows = {
            "size": f"{self.width}x{self.height}",
            "frames": f"{self.num_frames}{self._how_drawn()}",
            "duration": f"{self.duration:g} s" + self._raw_duration(),
            "delays": f"{_ranges(self.delays_ms)} ms, {self.native_rate:.4g} frames a second; "
            f"restored at {self.default_rate:.4g}",
            "loop": _loop(self.loop_count),
            "palettes": f"{_ranges(self.palette_sizes)} colours, {self.num_local_palettes} local; "
            f"at most {self.max_colors} colours in a frame",
            "transparency": "yes" if self.transparent else "no",
            "cuts": ", ".join(f"before frame {cut}" for cut in self.cuts) or "none",
            "dithering": f"{self.dithering} (confidence {self.dithering_confidence:.2f})",
            "dequantize": f"{'yes' if self.dequantize else 'no'}: {self.reason}",
        }
        facts = list(rows.items())
        if self.lossy:
            facts.append(("compression", "looks lossy, as gifsicle --lossy makes it"))
        facts += [("comment", comment) for comment in self.comments]
        facts += [("problem", problem) for problem in self.problems]
        lines = [self.name] + [f"  {name:13}{_one_line(value)}" for name, value in facts]
        return "\n".join(lines)

    def _how_drawn(self) -> str:
        parts = [
            f"{count} {what}"
            for count, what in ((self.num_partial, "partial"), (self.num_interlaced, "interlaced"))
            if count
        ]
        used = [f"{count} x {number}" for number, count in self.disposals.items()]
        return f" ({', '.join([*parts, 'disposal ' + ', '.join(used)])})"

    def _raw_duration(self) -> str:
        if self.raw_duration == self.duration:
            return ""
        return f" (the file says {self.raw_duration:g} s; browsers show 0 and 10 ms as 100 ms)"


def describe_gif(source: Source, *, max_pixels: int = MAX_PIXELS) -> Description:
    """Reads a whole GIF, frame by frame, and describes it.

    Args:
      source: a path, `"-"` for standard input, the file's bytes, or an open binary file.
      max_pixels: refuse larger frames.

    Raises:
      InputError: it cannot be read.
    """
    with open_gif(source, max_pixels=max_pixels) as reader:
        seen = _Seen()
        for frame in reader:
            seen.add(frame)
        return seen.describe(reader)


class _Seen:
    """What the frames so far have shown; few of them are kept."""

    def __init__(self) -> None:
        self.delays_ms: list[int] = []
        self.palette_sizes: list[int] = []
        self.disposals: Counter[int] = Counter()
        self.num_local = self.num_partial = self.num_interlaced = self.max_colors = 0
        self.transparent = False
        self.cuts: list[int] = []
        self.judged: list[Frame] = []
        self._detector = CutDetector()
        self._previous: Frame | None = None

    def add(self, frame: Frame) -> None:
        index = len(self.delays_ms)
        height, width = frame.rgb.shape[:2]
        self.delays_ms.append(frame.delay_ms)
        self.palette_sizes.append(max(palette.num_colors for palette in frame.palettes))
        self.disposals[frame.disposal] += 1
        self.num_local += frame.local_palette
        self.num_partial += frame.box != (0, 0, width, height)
        self.num_interlaced += frame.interlaced
        self.max_colors = max(self.max_colors, _num_colors(frame))
        self.transparent |= frame.alpha is not None
        if self._previous is not None and self._detector.is_cut(self._previous.rgb, frame.rgb):
            self.cuts.append(index)
        if (
            index < _FRAMES_TO_LOOK_THROUGH
            and index % (_FRAMES_TO_LOOK_THROUGH // _FRAMES_TO_JUDGE) == 0
        ):
            self.judged.append(frame)
        self._previous = frame

    def describe(self, reader: GifReader) -> Description:
        delays = normalize_delays(self.delays_ms)
        dithering, confidence = _most_common_guess(self.judged)
        dequantize, reason = should_dequantize(self.judged)
        return Description(
            name=reader.name,
            width=reader.width,
            height=reader.height,
            num_frames=len(self.delays_ms),
            duration=float(sum(delays, Fraction(0))),
            raw_duration=sum(self.delays_ms) / 1000,
            delays_ms=self.delays_ms,
            native_rate=float(native_rate(delays)),
            default_rate=float(default_rate(delays)),
            loop_count=reader.loop_count,
            palette_sizes=self.palette_sizes,
            num_local_palettes=self.num_local,
            max_colors=self.max_colors,
            num_partial=self.num_partial,
            num_interlaced=self.num_interlaced,
            disposals=dict(sorted(self.disposals.items())),
            transparent=self.transparent,
            cuts=self.cuts,
            dithering=dithering,
            dithering_confidence=round(confidence, 3),
            lossy=looks_lossy(self.judged),
            dequantize=dequantize,
            reason=reason,
            comments=list(reader.comments),
            problems=list(reader.problems),
        )


def _num_colors(frame: Frame) -> int:
    """How many different colours a frame shows."""
    codes = frame.rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    return len(np.unique(codes if frame.alpha is None else codes[frame.alpha]))


def _most_common_guess(frames: Sequence[Frame]) -> tuple[str, float]:
    """The guess that most frames agree on, and the mean of its confidence."""
    guesses = [guess_dithering(frame) for frame in frames]
    kind = Counter(name for name, _ in guesses).most_common(1)[0][0]
    return kind, float(np.mean([confidence for name, confidence in guesses if name == kind]))


def _ranges(values: Sequence[int]) -> str:
    """One value if all are equal, else the smallest and the largest."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _loop(loop_count: int | None) -> str:
    if loop_count is None:
        return "plays once"
    return "for ever" if loop_count == 0 else f"repeats {loop_count} times"


def _one_line(text: str) -> str:
    return " ".join(text.split())
