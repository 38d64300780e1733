"""What a person may choose when a GIF is restored, checked before any work begins.

Standard library only: the command line reads its defaults from here without loading JAX.
"""

import dataclasses
import pathlib
from fractions import Fraction

AUTO_ON_OFF = ("auto", "on", "off")
FORMATS = ("mp4", "webm", "mkv", "webp", "png", "gif")
MAX_FPS = 1000  # a display's limit is far below; without one, a slip of a key fills the disk
MAX_CRF = 100  # that of WebP; what each format takes is checked by its writer
TILE_STEP = 16  # the colour U-Net halves an image four times
MAX_PIXELS = 100_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Choices for `restore_file`; every field has the default of the command line.

    Attributes:
      fps: output frames a second, above 0 and at most 1000; None derives it from the GIF.
      multiplier: the output's rate as a multiple of the GIF's own; not together with `fps`.
      dequantize: "on", "off", or "auto": whether this GIF's colours look reduced decides.
      interpolate: whether frames between the GIF's own are made.
      average: whether restored frames are averaged with their neighbours along the motion.
      loop: "on", "off", or "auto": whether the last frame moves on to the first; "auto" follows
        the file.
      background: RGB in [0, 255] under transparent pixels where the output has no alpha.
      scene_threshold: how different two frames of different scenes are, 0 to 1; None is the
        detector's own. The higher, the fewer cuts.
      model: name of a bundled model.
      weights: folder of weights to use instead of a bundled model.
      start: where in the GIF to begin, in seconds.
      end: where to end, in seconds; None is the GIF's end.
      strength: how much of the change of colours is applied, 0 (none) to 1 (all).
      tile: side of the tiles in which a frame is computed, in pixels, a multiple of 16; None
        chooses.
      crf: the encoder's quality, 0 the best; None is the format's own default.
      lossless: whether the file holds exactly the frames; not together with `crf`.
      format: of the output; None goes by the file's suffix.
      overwrite: whether an existing file may be replaced.
      max_pixels: the largest frame that is read, in pixels.
      inpaint_mask: a picture, video or folder whose white pixels are filled in.
      inpaint_boxes: rectangles that are filled in: left, top, width, height, in pixels.
    """

    fps: Fraction | None = None
    multiplier: Fraction | None = None
    dequantize: str = "auto"
    interpolate: bool = True
    average: bool = True
    loop: str = "auto"
    background: tuple[int, int, int] = (255, 255, 255)
    scene_threshold: float | None = None
    model: str = "default"
    weights: pathlib.Path | None = None
    start: Fraction = Fraction(0)
    end: Fraction | None = None
    strength: float = 1.0
    tile: int | None = None
    crf: int | None = None
    lossless: bool = False
    format: str | None = None
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    inpaint_mask: pathlib.Path | None = None
    inpaint_boxes: tuple[tuple[int, int, int, int], ...] = ()

    @property
    def inpaints(self) -> bool:
        """Whether anything is filled in."""
        return self.inpaint_mask is not None or bool(self.inpaint_boxes)

    def __post_init__(self):
        """Raises ValueError, naming the option, what was expected and what was given."""
        self._check_rate()
        self._check_time()
        for name in ("dequantize", "loop"):
            _check_choice(name, getattr(self, name), AUTO_ON_OFF)
        if self.format is not None:
            _check_choice("format", self.format, FORMATS)
        _check(
            len(self.background) == 3 and all(0 <= value <= 255 for value in self.background),
            f"background: expected three values from 0 to 255, got {self.background}",
        )
        _check(
            self.scene_threshold is None or 0 <= self.scene_threshold <= 1,
            f"scene_threshold: expected 0 to 1, got {self.scene_threshold}",
        )
        _check(0 <= self.strength <= 1, f"strength: expected 0 to 1, got {self.strength}")
        _check(
            self.tile is None or (self.tile > 0 and self.tile % TILE_STEP == 0),
            f"tile: expected a multiple of {TILE_STEP} above 0, got {self.tile}",
        )
        _check(
            self.crf is None or 0 <= self.crf <= MAX_CRF,
            f"crf: expected 0 to {MAX_CRF}, got {self.crf}",
        )
        _check(self.crf is None or not self.lossless, "crf and lossless: expected one, got both")
        _check(self.max_pixels > 0, f"max_pixels: expected above 0, got {self.max_pixels}")

    def _check_rate(self):
        _check(
            self.fps is None or self.multiplier is None,
            "fps and multiplier: expected one of them, got both",
        )
        _check(
            self.fps is None or 0 < self.fps <= MAX_FPS,
            f"fps: expected above 0 and at most {MAX_FPS}, got {_number(self.fps)}",
        )
        _check(
            self.multiplier is None or 0 < self.multiplier <= MAX_FPS,
            f"multiplier: expected above 0 and at most {MAX_FPS}, got {_number(self.multiplier)}",
        )

    def _check_time(self):
        _check(self.start >= 0, f"start: expected 0 s or later, got {_number(self.start)} s")
        _check(
            self.end is None or self.end > self.start,
            f"end: expected a time after the start at {_number(self.start)} s, "
            f"got {_number(self.end)} s",
        )


def _check(good: bool, message: str) -> None:
    if not good:
        raise ValueError(message)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    _check(value in choices, f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def _number(value: Fraction | float | None) -> str:
    return "none" if value is None else f"{float(value):g}"
