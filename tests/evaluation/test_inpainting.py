"""The inpainting benchmark: its scores in closed form, and a whole run."""

import dataclasses
import json
from fractions import Fraction

import jax
import numpy as np
import pytest

from gif2video_jax.evaluation import inpainting
from gif2video_jax.media import open_writer
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.pretrained import Network
from gif2video_jax.restoring.inpaint import Inpainter
from tests import oracles
from tests.random_variables import random_variables


def test_scores_are_those_of_a_clip_that_is_off_by_known_amounts():
    truth = np.full((3, 4, 4, 3), 100, np.uint8)
    masks = np.zeros((3, 4, 4), bool)
    masks[:, 0, :2] = True
    completed = truth.copy()
    completed[0, 0, :2] += 10  # each frame is off by 10, 20 and 0
    completed[1, 0, :2] += 20
    completed[:, 3] = 0  # outside holes nothing counts
    result = inpainting.score(completed, truth, masks)
    assert result.l1 == pytest.approx((10 + 20 + 0) / 3)
    assert result.flicker == pytest.approx((10 + 20) / 2)
    assert result.psnr == pytest.approx(10 * np.log10(255**2 / ((10**2 + 20**2 + 0) / 3)))
    assert inpainting.score(truth, truth, masks) == inpainting.Score(0.0, float("inf"), 0.0)


def test_a_table_has_a_line_a_method_and_a_column_a_kind():
    rows = [
        inpainting.Row(kind, method, inpainting.Score(1.0, 30.04, 2.5), {})
        for kind in ("text", "box_fixed")
        for method in ("one", "two")
    ]
    assert inpainting.markdown(rows).splitlines() == [
        "| L1 / PSNR / flicker | text | box, fixed |",
        "|---|---|---|",
        "| one | 1.00 / 30.0 / 2.50 | 1.00 / 30.0 / 2.50 |",
        "| two | 1.00 / 30.0 / 2.50 | 1.00 / 30.0 / 2.50 |",
    ]


def test_all_methods_see_the_same_holes_and_no_truth_in_them():
    oracles.require_module("cv2")
    truth = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    seen = {}

    def keep(name):
        def method(frames, masks):
            seen.setdefault(name, []).append((frames, masks))
            return frames

        return method

    rows, shown = inpainting.measure(
        {"clip": truth}, {"a": keep("a"), "b": keep("b")}, seed=1, draws=2
    )
    assert len(seen["a"]) == 2 * len(inpainting.HOLES)
    masks = [mask for _, mask in seen["a"]]  # two of each kind, one after another
    assert any((a != b).any() for a, b in zip(masks[::2], masks[1::2], strict=True))
    assert len(rows) == 2 * len(inpainting.HOLES) and len(shown) == len(inpainting.HOLES)
    for (frames, masks), (others, _) in zip(seen["a"], seen["b"], strict=True):
        np.testing.assert_array_equal(frames, others)
        assert not frames[masks].any()
        np.testing.assert_array_equal(frames[~masks], truth[~masks])


def test_a_kind_of_hole_is_the_same_by_itself_and_among_others():
    truth = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)

    def measured(**fields):
        rows, _ = inpainting.measure(
            {"clip": truth}, {"same": lambda frames, masks: frames}, seed=1, **fields
        )
        return {row.holes: row.score for row in rows}

    alone = measured(kinds=["strokes"])
    assert list(alone) == ["strokes"]
    assert alone["strokes"] == measured()["strokes"]


def test_the_fill_alone_is_the_network_that_adds_nothing():
    """What stands still and is seen in some frame comes back exactly."""
    fields = {"base_channels": 2, "volume_channels": 1, "fill": "video", "norm": "none"}
    module = CombCN(composition="residual", **fields)
    network = Network(module, random_variables(module, 0))
    alone = inpainting.fill_alone(network)
    assert alone is not None
    truth = np.random.default_rng(0).integers(0, 256, (1, 1, 8, 8, 3), np.uint8)
    truth = np.repeat(truth, 2, axis=1).astype(np.float32) / 127.5 - 1
    mask = np.zeros((1, 2, 8, 8, 1), np.float32)
    mask[0, 0, :3] = mask[0, 1, 4:] = 1
    completed = jax.jit(module.apply)(alone.variables, truth * (1 - mask), mask).frames
    np.testing.assert_allclose(completed, truth, atol=1e-6)
    direct = dataclasses.replace(network, module=CombCN(**fields))
    assert inpainting.fill_alone(direct) is None
    assert inpainting.fill_alone(None) is None


@pytest.mark.long
def test_a_run_writes_table_numbers_and_picture(tmp_path, monkeypatch, capsys):
    oracles.require_module("cv2")
    folder = tmp_path / "clips"
    folder.mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), np.uint8)
    with open_writer(
        folder / "a.mkv", width=64, height=48, rate=Fraction(25), lossless=True
    ) as writer:
        for frame in frames:
            writer.write(frame)

    class Still(Inpainter):
        def __init__(self):
            """Needs no network."""

        def fill(self, frames, masks):
            return iter(frames)

    monkeypatch.setattr(inpainting, "inpainter_of", lambda model: Still())
    monkeypatch.setattr(inpainting, "fill_alone", lambda network: None)
    out = tmp_path / "out"
    arguments = ["--clips", folder, "--output", out, "--frames", 4, "--size", 32, "--draws", 1]
    assert inpainting.main([str(a) for a in arguments]) == 0, capsys.readouterr().err
    assert "Telea" in capsys.readouterr().out
    result = json.loads((out / "inpainting.json").read_text("utf-8"))
    assert result["clips"] == {"a": [4, 32, 32, 3]}
    assert (out / "inpainting.png").is_file() and (out / "inpainting.md").is_file()
