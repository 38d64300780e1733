"""How processes find each other and decide alike, as far as one process can show it."""

import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import distributed, interruptions
from gif2video_jax.training.interruptions import Decisions


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}, True),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, False),
        # A batch script, or a shell in an allocation: no step.
        ({"SLURM_NTASKS": "4", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}, False),
        ({"TPU_WORKER_HOSTNAMES": "host0,host1"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "localhost", "MEGASCALE_NUM_SLICES": "2"}, True),
    ],
)
def test_peers_are_seen_in_the_environment(environment, wanted):
    assert distributed.has_peers(environment) is wanted


def test_nothing_is_joined_without_peers(monkeypatch):
    for name in ("SLURM_STEP_NUM_TASKS", "TPU_WORKER_HOSTNAMES", "MEGASCALE_NUM_SLICES"):
        monkeypatch.delenv(name, raising=False)
    assert distributed.initialize() is False
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "host0,host1")
    assert distributed.initialize("off") is False


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"mode": "maybe"}, "--distributed: expected one of auto, on, off, got 'maybe'"),
        ({"coordinator": "localhost:1"}, "give --coordinator, --num_processes and --process_id"),
        ({"process_id": 0, "num_processes": 2}, "give --coordinator"),
    ],
)
def test_what_cannot_be_joined_is_named(given, wanted):
    with pytest.raises(InputError, match=wanted):
        distributed.initialize(**given)


def test_a_failure_of_ones_own_is_raised_as_it_is():
    def fail():
        raise InputError("no data")

    with pytest.raises(InputError, match="^no data$"):
        distributed.together(fail)
    assert distributed.together(lambda: 3) == 3


def test_a_failure_elsewhere_is_pointed_to(monkeypatch):
    monkeypatch.setattr(distributed, "agree", lambda *flags: tuple(True for _ in flags))
    with pytest.raises(InputError, match="another process could not start"):
        distributed.together(lambda: 3)


def several(monkeypatch, *, index: int, others: list[tuple[bool, ...]]) -> list[tuple[bool, ...]]:
    """Process `index` of two, whose other says `others` in turn; returns what was asked."""
    asked: list[tuple[bool, ...]] = []

    def agree(*flags):
        asked.append(flags)
        theirs = others[len(asked) - 1] if len(asked) <= len(others) else (False,) * len(flags)
        return tuple(a or b for a, b in zip(flags, theirs, strict=True))

    monkeypatch.setattr(interruptions, "agree", agree)
    monkeypatch.setattr(interruptions.jax, "process_count", lambda: 2)
    monkeypatch.setattr(interruptions.jax, "process_index", lambda: index)
    return asked


def test_processes_ask_each_other_at_the_same_steps_whatever_they_know(monkeypatch):
    """Else one would wait for an answer that nobody gives."""
    for received in ([], [15]):
        asked = several(monkeypatch, index=1, others=[])
        decisions = Decisions(received, every_seconds=0.0, every_steps=0, step=3)
        for step in range(3, 31):
            decisions.stop(step)
            decisions.save(step)
        assert len(asked) == 6  # at 10, 20 and 30, whether to stop and whether to save


def test_a_signal_to_another_process_stops_this_one(monkeypatch):
    several(monkeypatch, index=0, others=[(False,), (True,)])
    decisions = Decisions([], every_seconds=1e9, every_steps=0, step=0)
    assert [step for step in range(0, 20) if decisions.stop(step)] == list(range(10, 20))


def test_only_the_first_process_clock_counts(monkeypatch):
    for index, wanted in ((0, [10, 20]), (1, [])):
        several(monkeypatch, index=index, others=[])
        decisions = Decisions([], every_seconds=-1.0, every_steps=0, step=0)
        assert [step for step in range(1, 25) if decisions.save(step)] == wanted


def test_saves_by_steps_ask_nobody(monkeypatch):
    asked = several(monkeypatch, index=1, others=[])
    decisions = Decisions([], every_seconds=1e9, every_steps=4, step=0)
    assert [step for step in range(1, 10) if decisions.save(step)] == [4, 8]
    assert asked == []


def test_one_process_stops_and_saves_at_once():
    received: list[int] = []
    decisions = Decisions(received, every_seconds=-1.0, every_steps=0, step=0)
    assert decisions.save(1) and not decisions.stop(1)
    received.append(15)
    assert decisions.stop(1)
