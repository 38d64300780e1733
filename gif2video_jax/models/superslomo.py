"""The modified SuperSlomo of GIF2Video: the frame at any time t between two frames.

After Jiang et al., "Super SloMo", CVPR 2018, as the authors of GIF2Video changed it. Stages:

  1. Flow net A sees both frames, in both orders: F01 and F10, in units of `max_flow` pixels.
  2. Flows at time t, by assuming straight motion:
       Ft1 = (1-t)^2 F01 - t(1-t) F10,   Ft0 = -t(1-t) F01 + t^2 F10
  3. Refinement net B sees frames, warped frames and these flows; it gives refined Ft0 and Ft1 (not
     residuals) and the visibility V0 in [0, 1], all through tanh.
  4. Fusion: It = ((1-t) V0 warp(I0, Ft0) + t (1-V0) warp(I1, Ft1)) / ((1-t) V0 + t (1-V0) + 1e-8)

Frames are NHWC RGB in [-1, 1]; flows are (dx, dy) in pixels for backward warping. The largest
motion that the networks can express is `max_flow` pixels (30 in the paper) between the two frames.

*Joint*: A sees the raw GIF frames while warping and B see the dequantised frames. *Sequential*:
A sees the dequantised frames too.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.agreement import agreeing_mean
from gif2video_jax.ops.candidate_motion import (
    NUM_CANDIDATES,
    candidate_motions,
    log_likelihood,
    mismatches,
)
from gif2video_jax.ops.optical_flow import pyramid_flow
from gif2video_jax.ops.warp import warp, warp_bicubic

CHOICES = ("", "likelihood", "network")

FLOW_UNET = {
    "stage_channels": (32, 64, 128, 256, 512, 512),
    "up_channels": (512, 256, 128, 64, 32),
    "kernel_sizes": (7, 5, 3, 3, 3, 3),
    "norm": "none",
    "negative_slope": 0.1,
    "upsampling": "bilinear_aligned",
}
"""The paper's flow U-Net, about 19.8 M parameters."""


class Interpolation(NamedTuple):
    """What SuperSlomo finds out about the time between two frames.

    Attributes:
      frames: the frames at each time, (n, t, h, w, 3) in [-1, 1].
      flow_01: motion from frame 0 to frame 1, pixels: `warp(I1, flow_01)` looks like I0.
      flow_10: the other way round.
      flow_t0: refined flow of each time to frame 0, pixels, (n, t, h, w, 2).
      flow_t1: to frame 1.
      visibility: V0, how far frame 0 is trusted, in [0, 1], (n, t, h, w, 1).
    """

    frames: Float[Array, "n t h w 3"]
    flow_01: Float[Array, "n h w 2"]
    flow_10: Float[Array, "n h w 2"]
    flow_t0: Float[Array, "n t h w 2"]
    flow_t1: Float[Array, "n t h w 2"]
    visibility: Float[Array, "n t h w 1"]


class SuperSlomo(nn.Module):
    """Two flow U-Nets, or least squares and a choice for them, and the fusion; see the file's head.

    Attributes:
      unet: fields of both U-Nets. None, with a pyramid, leaves net A out: motion is what the least
        squares find.
      max_flow: pixels that a network's output of 1 stands for.
      refine_residual: net B's flows are added to the straight ones of step 2. The paper's replace
        them (False); a small network learns faster so.
      pyramid_iterations: 0, the paper's, or steps a level of `ops.optical_flow.pyramid_flow`: net A
        then sees the flow that this finds, and corrects it rather than finding all of it.
      difference_gain: 0, the paper's, or what differences are multiplied with that both networks
        then read beside their inputs: A the first frame minus the second one warped by the
        pyramid's flow, B both warped frames' difference. They tell where a flow is wrong, and are
        small beside the frames.
      refine_unet: fields of net B; None, the paper's, takes those of `unet`.
      choose_motion: "", the paper's, or how each pixel gets one of the motions that might pass
        through it (`ops.candidate_motion`). The straight flows of step 2 mix both sides of a
        moving edge; a choice keeps them apart, and does no harm where they agree. "likelihood": by
        what matches, without net B, both frames equally visible. "network": net B does not give
        flows but corrects these likelihoods. Frames are sampled bicubically then: between pixels,
        the paper's bilinear sampling blurs what key frames show sharp.
      agreeing_bands: 0, the paper's, or of how many bands of detail the fusion keeps no more than
        both warped frames agree on (`ops.agreement`).
    """

    unet: Mapping[str, Any] | None
    max_flow: float = 30.0
    refine_residual: bool = False
    pyramid_iterations: int = 0
    difference_gain: float = 0.0
    refine_unet: Mapping[str, Any] | None = None
    choose_motion: str = ""
    agreeing_bands: int = 0

    def __post_init__(self):
        """Rejects an unknown choice, a negative number, and what nothing finds motion for."""
        super().__post_init__()
        if self.unet is None and not self.pyramid_iterations:
            raise ValueError("unet: without one expected pyramid_iterations of 1 or more")
        if self.agreeing_bands < 0:
            raise ValueError(f"agreeing_bands: expected 0 or more, got {self.agreeing_bands}")
        if self.choose_motion not in CHOICES:
            raise ValueError(
                f"choose_motion: expected one of {', '.join(map(repr, CHOICES))}, "
                f"got {self.choose_motion!r}"
            )
        if self.choose_motion != "likelihood" and self._net_b is None:
            raise ValueError(
                "unet: without one expected a refine_unet, or choose_motion 'likelihood'"
            )

    @property
    def multiple(self) -> int:
        """The smallest size that works for both U-Nets, see `UNet.multiple`."""
        both = (self.unet, self._net_b)
        return math.lcm(*(UNet(out_channels=2, **each).multiple for each in both if each))

    @property
    def _net_b(self) -> Mapping[str, Any] | None:
        """Fields of net B, where there is one."""
        return None if self.choose_motion == "likelihood" else self.refine_unet or self.unet

    def setup(self):
        """Makes the U-Nets."""
        if self.unet is not None:
            self.flow = UNet(out_channels=2, **self.unet)
        if self._net_b is not None:
            channels = 1 + (NUM_CANDIDATES if self.choose_motion else 4)
            self.refine = UNet(out_channels=channels, **self._net_b)

    def __call__(
        self,
        frame_0: Float[Array | np.ndarray, "n h w 3"],
        frame_1: Float[Array | np.ndarray, "n h w 3"],
        times: Float[Array | np.ndarray, "n t"],
        gif_0: Float[Array | np.ndarray, "n h w 3"] | None = None,
        gif_1: Float[Array | np.ndarray, "n h w 3"] | None = None,
    ) -> Interpolation:
        """Interpolates at each of `times`; net A runs once however many they are.

        Args:
          frame_0: the (dequantised) frame at time 0.
          frame_1: the frame at time 1.
          times: in [0, 1], own times for each pair.
          gif_0: the raw GIF frame for net A (joint mode); None uses `frame_0` (sequential mode).
          gif_1: likewise.

        Raises:
          ValueError: if shapes do not match.
        """
        if frame_1.shape != frame_0.shape or times.shape[:1] != frame_0.shape[:1]:
            raise ValueError(
                f"frame_1 and times: expected {frame_0.shape} and ({frame_0.shape[0]}, t), "
                f"got {frame_1.shape} and {times.shape}"
            )
        frame_0, frame_1, times = jnp.asarray(frame_0), jnp.asarray(frame_1), jnp.asarray(times)
        flow_01, flow_10 = self.flows(
            frame_0 if gif_0 is None else jnp.asarray(gif_0),
            frame_1 if gif_1 is None else jnp.asarray(gif_1),
        )
        return self.between(frame_0, frame_1, flow_01, flow_10, times)

    def flows(
        self, frame_0: Float[Array, "n h w 3"], frame_1: Float[Array, "n h w 3"]
    ) -> tuple[Float[Array, "n h w 2"], Float[Array, "n h w 2"]]:
        """The pyramid, net A, or both: the flows 0 -> 1 and 1 -> 0 in pixels."""
        source = jnp.concatenate([frame_0, frame_1])
        target = jnp.concatenate([frame_1, frame_0])
        inputs, start = [source, target], jnp.zeros((*source.shape[:3], 2))
        if self.pyramid_iterations:
            if not self.is_initializing():  # no parameters: shapes alone are asked for
                start = pyramid_flow(source, target, self.pyramid_iterations)
            inputs.append(start / self.max_flow)
        if self.difference_gain:
            inputs.append(self.difference_gain * (source - warp(target, start)))
        if self.unet is not None:
            start += self.max_flow * jnp.tanh(self.flow(jnp.concatenate(inputs, axis=-1)))
        flow_01, flow_10 = jnp.split(start, 2)
        return flow_01, flow_10

    def between(
        self,
        frame_0: Float[Array, "n h w 3"],
        frame_1: Float[Array, "n h w 3"],
        flow_01: Float[Array, "n h w 2"],
        flow_10: Float[Array, "n h w 2"],
        times: Float[Array, "n t"],
    ) -> Interpolation:
        """Steps 2 to 4, for flows that are known; all times go through net B as one batch."""
        n, num_times = times.shape
        seen_01, seen_10 = flow_01, flow_10
        if self.choose_motion:  # net A learns from terms of its own: through net B it diverged
            seen_01, seen_10 = jax.lax.stop_gradient((flow_01, flow_10))

        def repeat(x):
            return jnp.repeat(x, num_times, axis=0)

        image_0, image_1, t = repeat(frame_0), repeat(frame_1), times.reshape(-1, 1, 1, 1)
        flow_01_t, flow_10_t = repeat(seen_01), repeat(seen_10)
        if self.choose_motion:
            flow_t0, flow_t1, visibility = self._chosen(image_0, image_1, flow_01_t, flow_10_t, t)
            # A loop over both: unlike two lines it is computed once, not wherever a blur reads it.
            both = jnp.stack([image_0, image_1]), jnp.stack([flow_t0, flow_t1])
            warped_0, warped_1 = jax.lax.map(lambda each: warp_bicubic(*each), both)
        else:
            flow_t0, flow_t1, visibility = self._refined(image_0, image_1, flow_01_t, flow_10_t, t)
            warped_0, warped_1 = warp(image_0, flow_t0), warp(image_1, flow_t1)
        if self.agreeing_bands:
            share = share_of_second(visibility, t)
            frames = agreeing_mean(warped_0, warped_1, share, self.agreeing_bands)
        else:
            frames = fuse(warped_0, warped_1, visibility, t)

        def split(x):
            return x.reshape(n, num_times, *x.shape[1:])

        return Interpolation(
            frames=split(frames),
            flow_01=flow_01,
            flow_10=flow_10,
            flow_t0=split(flow_t0),
            flow_t1=split(flow_t1),
            visibility=split(visibility),
        )

    def _refined(self, image_0, image_1, flow_01, flow_10, t):
        """Step 3: flows and visibility by net B."""
        flow_t0, flow_t1 = flows_at(flow_01, flow_10, t)
        refined = self.refine(self._seen(image_0, image_1, flow_t0, flow_t1))
        change_0, change_1 = (self.max_flow * jnp.tanh(refined[..., i : i + 2]) for i in (0, 2))
        if self.refine_residual:
            change_0, change_1 = flow_t0 + change_0, flow_t1 + change_1
        return change_0, change_1, _visibility(refined)

    def _chosen(self, image_0, image_1, flow_01, flow_10, t):
        """In place of step 3: one motion for each pixel, chosen among candidates."""
        motions = candidate_motions(flow_01, flow_10, t)
        differences = mismatches(image_0, image_1, motions, t)
        likelihood = log_likelihood(differences, t)
        visibility = jnp.full((*image_0.shape[:3], 1), 0.5)
        if self.choose_motion == "network":
            inputs = [self._seen(image_0, image_1, *flows_at(flow_01, flow_10, t))]
            inputs += [motion / self.max_flow for motion in motions]
            inputs.append(self.difference_gain * differences)
            refined = self.refine(jnp.concatenate(inputs, axis=-1))
            likelihood, visibility = likelihood + refined[..., :-1], _visibility(refined)
        weights = jax.nn.softmax(likelihood, axis=-1)
        motion: Any = sum(weights[..., i : i + 1] * each for i, each in enumerate(motions))
        return -t * motion, (1 - t) * motion, visibility

    def _seen(self, image_0, image_1, flow_t0, flow_t1):
        """What net B sees."""
        warped_0, warped_1 = warp(image_0, flow_t0), warp(image_1, flow_t1)
        inputs = [image_0, image_1, warped_0, warped_1]
        inputs += [flow_t0 / self.max_flow, flow_t1 / self.max_flow]
        if self.difference_gain:
            inputs.append(self.difference_gain * (warped_0 - warped_1))
        return jnp.concatenate(inputs, axis=-1)


def _visibility(refined: Float[Array, "n h w c"]) -> Float[Array, "n h w 1"]:
    """V0 in [0, 1], from the last of net B's channels."""
    return (jnp.tanh(refined[..., -1:]) + 1) / 2


def flows_at(
    flow_01: Float[Array, "n h w 2"], flow_10: Float[Array, "n h w 2"], t: Float[Array, "n 1 1 1"]
) -> tuple[Float[Array, "n h w 2"], Float[Array, "n h w 2"]]:
    """Ft0 and Ft1 from F01 and F10 by assuming straight motion (step 2)."""
    flow_t0 = -t * (1 - t) * flow_01 + t**2 * flow_10
    flow_t1 = (1 - t) ** 2 * flow_01 - t * (1 - t) * flow_10
    return flow_t0, flow_t1


def fuse(
    warped_0: Float[Array, "n h w c"],
    warped_1: Float[Array, "n h w c"],
    visibility: Float[Array, "n h w 1"],
    t: Float[Array, "n 1 1 1"],
) -> Float[Array, "n h w c"]:
    """It from both warped frames, weighted by closeness in time and by visibility (step 4)."""
    weight_0, weight_1 = _fusion_weights(visibility, t)
    return (weight_0 * warped_0 + weight_1 * warped_1) / (weight_0 + weight_1 + 1e-8)


def share_of_second(
    visibility: Float[Array, "n h w 1"], t: Float[Array, "n 1 1 1"]
) -> Float[Array, "n h w 1"]:
    """How much the second frame counts in `fuse`, from 0 to 1."""
    weight_0, weight_1 = _fusion_weights(visibility, t)
    return weight_1 / (weight_0 + weight_1 + 1e-8)


def _fusion_weights(visibility, t):
    return (1 - t) * visibility, t * (1 - visibility)
