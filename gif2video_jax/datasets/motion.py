"""Renders layered motion at exact times, with its exact flow fields.

A scene is a stack of flat layers, the first one behind. Each layer has a texture with a soft matte
and moves as a similarity of constant acceleration:

    frame point = center + velocity t + acceleration t^2 / 2
                  + exp(zoom + zoom_rate t + ...) R(angle + spin t + ...) layer point

Frames at any times, and where each pixel went, follow in closed form, so that interpolation learns
from stills. Time 0 is the first key frame, 1 the second. Points are in pixels with the origin at
the frame's top left corner, pixel centres at halves; a layer's origin is its texture's middle.

Textures hold three samples a frame pixel but no detail finer than the frame's pixels
(`motion_scenes` prepares them so). Bilinear sampling then neither aliases nor blurs: it dims the
finest detail by 13 % at most, details of four pixels by 3 %. Sampling is done in float, since
Pillow cuts off fractions in its 8-bit modes, and its bicubic filter doesn't keep ramps straight.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

# A pixel belongs to the foremost layer that covers more than half of it.
_HALF = 127.5


@dataclasses.dataclass(frozen=True)
class Motion:
    """A similarity of constant acceleration; units are pixels, radians and key-frame intervals.

    Attributes:
      center: where the layer's origin lies in the frame at time 0, (x, y).
      velocity: of the origin, (x, y).
      acceleration: of the origin, (x, y).
      angle: at time 0, clockwise as y points down.
      spin: its rate.
      spin_acceleration: the rate's rate.
      zoom: natural logarithm of the magnification at time 0.
      zoom_rate: its rate.
      zoom_acceleration: the rate's rate.
    """

    center: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    acceleration: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    spin: float = 0.0
    spin_acceleration: float = 0.0
    zoom: float = 0.0
    zoom_rate: float = 0.0
    zoom_acceleration: float = 0.0

    def matrix(self, time: float) -> Float[np.ndarray, "3 3"]:
        """From layer points to frame points at a time, in homogeneous coordinates."""
        half = time * time / 2
        angle = self.angle + self.spin * time + self.spin_acceleration * half
        scale = math.exp(self.zoom + self.zoom_rate * time + self.zoom_acceleration * half)
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        x, y = (
            c + v * time + a * half
            for c, v, a in zip(self.center, self.velocity, self.acceleration, strict=True)
        )
        return np.array([[cosine, -sine, x], [sine, cosine, y], [0.0, 0.0, 1.0]])

    def between(self, start: float, end: float) -> Float[np.ndarray, "3 3"]:
        """From frame points at time `start` to those of the same layer points at time `end`."""
        return self.matrix(end) @ np.linalg.inv(self.matrix(start))

    def scaled(self, factor: float) -> "Motion":
        """The motion with all rates multiplied by a factor; at time 0 it stays as it is."""
        return dataclasses.replace(
            self,
            velocity=(self.velocity[0] * factor, self.velocity[1] * factor),
            acceleration=(self.acceleration[0] * factor, self.acceleration[1] * factor),
            spin=self.spin * factor,
            spin_acceleration=self.spin_acceleration * factor,
            zoom_rate=self.zoom_rate * factor,
            zoom_acceleration=self.zoom_acceleration * factor,
        )


@dataclasses.dataclass(frozen=True)
class Layer:
    """A moving picture with a matte.

    Attributes:
      texture: colours, and the matte as a fourth channel (255 opaque); without it, opaque. What
        lies outside the texture is transparent.
      density: samples of the texture a frame pixel at magnification 1.
      motion: of the texture's middle.
    """

    texture: UInt8[np.ndarray, "h w c"]
    motion: Motion
    density: float = 1.0

    def __post_init__(self):
        """Checks the texture's channels."""
        if self.texture.ndim != 3 or self.texture.shape[-1] not in (3, 4):
            raise ValueError(
                f"texture: expected shape (h, w, 3) or (h, w, 4), got {self.texture.shape}"
            )

    @functools.cached_property
    def _planes(self) -> list[Image.Image]:
        planes = np.moveaxis(self.texture, -1, 0).astype(np.float32)
        return [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]

    def texture_matrix(self, time: float) -> Float[np.ndarray, "3 3"]:
        """From frame points at a time to texture points (samples, origin at the top left)."""
        height, width = self.texture.shape[:2]
        to_texture = np.array(
            [[self.density, 0, width / 2], [0, self.density, height / 2], [0, 0, 1]]
        )
        return to_texture @ np.linalg.inv(self.motion.matrix(time))

    def box(self, time: float, width: int, height: int) -> tuple[int, int, int, int] | None:
        """The part of a frame that the layer may touch: left, top, right, bottom; None for none."""
        h, w = self.texture.shape[:2]
        corners = np.array([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]], np.float64)
        x, y, _ = np.linalg.inv(self.texture_matrix(time)) @ corners
        left, right = max(0, math.floor(x.min())), min(width, math.ceil(x.max()))
        top, bottom = max(0, math.floor(y.min())), min(height, math.ceil(y.max()))
        return None if right <= left or bottom <= top else (left, top, right, bottom)

    def sample(
        self, time: float, box: tuple[int, int, int, int], channels: slice = slice(None)
    ) -> Float[np.ndarray, "c h w"]:
        """The layer's channels in a part of the frame, 0 to 255, bilinear; 0 outside the layer."""
        left, top, right, bottom = box
        matrix = self.texture_matrix(time)
        offset = matrix[:2] @ (left, top, 1)
        data = (*matrix[0, :2], offset[0], *matrix[1, :2], offset[1])
        size, bilinear = (right - left, bottom - top), Image.Resampling.BILINEAR
        return np.stack(
            [
                np.asarray(plane.transform(size, Image.Transform.AFFINE, data, resample=bilinear))
                for plane in self._planes[channels]
            ]
        )


@dataclasses.dataclass(frozen=True)
class Scene:
    """Layers, the first one behind, seen through a fixed window.

    Attributes:
      layers: the first should cover the frame at all times that are rendered; black shows where
        none does.
      width: of the frame.
      height: of the frame.
    """

    layers: tuple[Layer, ...]
    width: int
    height: int

    def render(self, times: Sequence[float]) -> UInt8[np.ndarray, "n {self.height} {self.width} 3"]:
        """The frames at the given times."""
        frames = np.empty((len(times), self.height, self.width, 3), np.uint8)
        for frame, time in zip(frames, times, strict=True):
            frame[:] = np.moveaxis(self._compose(time), 0, -1)
        return frames

    def layer_map(self, time: float) -> Int[np.ndarray, "{self.height} {self.width}"]:
        """The number of the foremost layer that covers each pixel by more than half; else -1."""
        return self._owners(time)[0]

    def flow(
        self, start: float, end: float
    ) -> tuple[
        Float[np.ndarray, "{self.height} {self.width} 2"],
        Bool[np.ndarray, "{self.height} {self.width}"],
    ]:
        """Where each pixel of the frame at time `start` is at time `end`.

        Args:
          start: time whose pixels are asked for.
          end: time where they are looked for.

        Returns:
          flow: float32 (dx, dy) in pixels, so that the frame at `end`, warped by it
            (`out[y, x] = image[y + dy, x + dx]`), is the frame at `start`.
          visible: False where the point is covered at `end`, outside the frame, or on a soft edge
            (a pixel that several layers share moves no single way).
        """
        owner, shared = self._owners(start)
        owner_end, shared_end = self._owners(end)
        rows, columns = np.indices((self.height, self.width), np.float64)
        points = np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)])
        flow = np.zeros((self.height, self.width, 2), np.float32)
        for number in np.unique(owner[owner >= 0]):
            moved = np.tensordot(self.layers[number].motion.between(start, end), points, 1)
            here = owner == number
            flow[here] = np.moveaxis((moved - points)[:2], 0, -1)[here]
        x = np.floor(columns + flow[..., 0] + 0.5).astype(np.int64)
        y = np.floor(rows + flow[..., 1] + 0.5).astype(np.int64)
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        x, y = np.clip(x, 0, self.width - 1), np.clip(y, 0, self.height - 1)
        visible = inside & (owner_end[y, x] == owner) & ~shared & ~shared_end[y, x] & (owner >= 0)
        return flow, visible

    def _compose(self, time: float) -> UInt8[np.ndarray, "3 {self.height} {self.width}"]:
        frame = np.zeros((3, self.height, self.width), np.float32)
        for layer in self.layers:
            box = layer.box(time, self.width, self.height)
            if box is None:
                continue
            left, top, right, bottom = box
            part = layer.sample(time, box)
            under = frame[:, top:bottom, left:right]
            if len(part) == 4:
                under += (part[:3] - under) * (part[3] / 255)
            else:
                np.copyto(under, part, where=self._inside(layer, time, box))
        return np.round(frame).astype(np.uint8)

    def _matte(self, number: int, time: float) -> Float[np.ndarray, "{self.height} {self.width}"]:
        layer = self.layers[number]
        matte = np.zeros((self.height, self.width), np.float32)
        box = layer.box(time, self.width, self.height)
        if box is not None:
            left, top, right, bottom = box
            if layer.texture.shape[-1] == 4:
                matte[top:bottom, left:right] = layer.sample(time, box, slice(3, 4))[0]
            else:
                matte[top:bottom, left:right] = 255 * self._inside(layer, time, box)
        return matte

    def _inside(self, layer: Layer, time: float, box: tuple[int, int, int, int]):
        """Where an opaque texture lies under the pixel's centre."""
        left, top, right, bottom = box
        height, width = layer.texture.shape[:2]
        matrix = layer.texture_matrix(time)

        def covers(x, y):
            u, v = (row[0] * x + row[1] * y + row[2] for row in matrix[:2])
            return (u >= 0) & (u < width) & (v >= 0) & (v < height)

        corners = covers(np.array([left, right, left, right]), np.array([top, top, bottom, bottom]))
        if corners.all():  # and so everything between them
            return np.ones((bottom - top, right - left), bool)
        return covers(np.arange(left, right) + 0.5, np.arange(top, bottom)[:, None] + 0.5)

    @functools.cached_property
    def _known_owners(self) -> dict[float, tuple[np.ndarray, np.ndarray]]:
        return {}  # flows between a few times ask for each of them again and again

    def _owners(
        self, time: float
    ) -> tuple[
        Int[np.ndarray, "{self.height} {self.width}"],
        Bool[np.ndarray, "{self.height} {self.width}"],
    ]:
        """The layer map, and where layers mix: the foremost matte is neither clear nor opaque."""
        if time not in self._known_owners:
            owner = np.full((self.height, self.width), -1, np.int32)
            shared = np.zeros((self.height, self.width), bool)
            for number in range(len(self.layers)):
                matte = self._matte(number, time)
                owner[matte > _HALF] = number
                shared[matte >= 253] = False
                shared |= (matte > 2) & (matte < 253)
            owner.setflags(write=False)
            shared.setflags(write=False)
            self._known_owners[time] = owner, shared
        return self._known_owners[time]
