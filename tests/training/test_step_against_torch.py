"""One step of training against PyTorch: network, loss, gradient, coupled L2 and Adam together.

The config is the shipped one with fewer channels; the loss in PyTorch is `torch_losses`.
"""

import re
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from gif2video_jax.torch_import import import_torch
from gif2video_jax.training.tasks import make_task
from tests import oracles
from tests.quick import quick_jit
from tests.training.shrunk_configs import batch_of, shipped, state_of

# Optimising a program takes longer than running it once.
BIASES_BEFORE_NORM = ".*/convolution_[01]/bias"


class Step(NamedTuple):
    """Trees of arrays under our names: parameters, Adam's first moment, running statistics."""

    before: Any
    params: Any
    moment: Any
    statistics: Any


def first_step(config, network, batch, folder) -> tuple[Step, Step, dict[str, float]]:
    """Ours and PyTorch's, and the loss and gradient norm of each."""
    import torch

    from tests import torch_networks
    from tests.training import torch_losses

    def ours_of(content):
        _, variables = import_torch(torch_networks.save(folder / "network.pt", content))
        return dict(variables)

    module, _ = import_torch(torch_networks.save(folder / "network.pt", network))
    for name in ("stage_channels", "up_channels"):
        config.model.unet[name] = module.unet[name]
    config.adversarial.kind = "none"
    variables = ours_of(network)
    params = variables.pop("params")
    task = make_task(config)
    state = state_of(task, batch).replace(params=params, model_state=variables)
    state, metrics = quick_jit(task.step)(state, batch)
    (adam,) = [s for s in state.optimizer_state if hasattr(s, "mu")]
    ours = Step(params, state.params, adam.mu, state.model_state)

    optimizer = config.optimizer
    adam = torch.optim.Adam(
        network.train().parameters(),
        lr=optimizer.learning_rate,
        betas=(optimizer.b1, optimizer.b2),
        eps=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
    )
    loss = torch_losses.colour_loss(network, *torch_losses.to_torch(batch, "cpu"))
    loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in network.parameters()])
    adam.step()
    moments = network.state_dict() | {
        name: adam.state[parameter]["exp_avg"] for name, parameter in network.named_parameters()
    }
    after = ours_of(network)
    theirs = Step(params, after.pop("params"), ours_of(moments)["params"], after)
    values = {name: float(metrics[name]) for name in ("loss", "gradient_norm")}
    values |= {"their_loss": float(loss.detach()), "their_gradient_norm": float(norm)}
    return ours, theirs, values


def check_step(ours: Step, theirs: Step, rate: float, without: str) -> None:
    """Moments are (1 - b1) times gradient plus decay; Adam's first move is their sign, by a rate.

    Names that match `without` have no true gradient, but rounding noise: it must be small, and
    where their moves go is left to chance.
    """
    moments = dict(flat(ours.moment))
    largest = max(np.abs(leaf).max() for leaf in moments.values())
    moved, agreeing, whole = dict(flat(ours.params)), 0, 0
    wanted, start = dict(flat(theirs.params)), dict(flat(ours.before))
    for name, moment in flat(theirs.moment):
        if re.fullmatch(without, name):
            assert np.abs(moments[name]).max() < 1e-4 * largest, name
            continue
        atol = 1e-3 * np.abs(moment).max()
        np.testing.assert_allclose(moments[name], moment, rtol=1e-3, atol=atol, err_msg=name)
        ends = moved[name] - start[name], wanted[name] - start[name]
        assert np.abs(ends[0]).max() < 1.01 * rate, name
        agreeing += np.sum(np.abs(ends[0] - ends[1]) < 0.01 * rate)
        whole += moment.size
    assert agreeing > 0.995 * whole


def flat(tree) -> list[tuple[str, np.ndarray]]:
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), np.asarray(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def test_a_step_of_ccdnet1_is_pytorchs(tmp_path):
    oracles.require_module("torch")
    from tests import torch_networks

    network = torch_networks.randomize(torch_networks.ColourUNet(ch=2), seed=0)
    statistics = {k: v.clone() for k, v in network.inconv[1].named_buffers()}
    config = shipped("ccdnet1_faces_dither.py")
    batch = batch_of("dequantization", num=4)
    ours, theirs, values = first_step(config, network, batch, tmp_path)
    assert values["loss"] == pytest.approx(values["their_loss"], rel=1e-5)
    assert values["gradient_norm"] == pytest.approx(values["their_gradient_norm"], rel=1e-3)
    rate = config.optimizer.learning_rate
    check_step(ours, theirs, rate, without=BIASES_BEFORE_NORM)
    # Running statistics take in a tenth. Flax keeps the variance of the batch itself, PyTorch
    # n / (n - 1) times it.
    wanted, before = dict(flat(theirs.statistics)), statistics["running_var"].numpy()
    for name, leaf in flat(ours.statistics):
        if name.endswith("mean"):
            np.testing.assert_allclose(leaf, wanted[name], atol=1e-5, err_msg=name)
    name = "batch_stats/unet/stem/norm_0/var"
    n = batch["truth"][..., 0].size
    seen = (dict(flat(ours.statistics))[name] - 0.9 * before) * n / (n - 1)
    np.testing.assert_allclose(seen, wanted[name] - 0.9 * before, atol=1e-6)
