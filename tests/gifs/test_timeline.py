"""Exact times: closed forms for simple GIFs, and properties for any."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.timeline import (
    Sample,
    Timeline,
    default_rate,
    native_rate,
    normalize_delays,
)

delays_lists = st.lists(st.integers(0, 300).map(lambda n: 10 * n), min_size=1, max_size=12)
rates = st.fractions(min_value=Fraction(1, 2), max_value=240, max_denominator=1001)


def all_samples(timeline, cuts=()):
    return [
        sample
        for interval in range(timeline.num_intervals)
        for sample in timeline.samples(interval, cut=interval in cuts)
    ]


def positions(timeline, cuts=()):
    return [sample.first + sample.t for sample in all_samples(timeline, cuts)]


def test_delays_of_0_and_10_ms_are_shown_for_100():
    expected = [Fraction(1, 10), Fraction(1, 10), Fraction(1, 50), Fraction(600)]
    assert normalize_delays([0, 10, 20, 600_000]) == expected


def test_native_rate_is_one_over_the_median_delay():
    assert native_rate(normalize_delays([40, 50, 1000])) == 20
    assert native_rate(normalize_delays([40, 1000])) == 25
    assert native_rate(normalize_delays([0])) == 10


@pytest.mark.parametrize(
    ("delay", "rate"),
    [
        (100, 30), (0, 30), (40, 25), (30, Fraction(100, 3)), (50, 40), (20, 50),
        (70, Fraction(200, 7)), (80, 25), (160, 25), (200, 20), (1000, 4),
    ],
)
def test_default_rate_is_the_smallest_multiple_up_to_4_that_reaches_24(delay, rate):
    assert default_rate(normalize_delays([delay])) == rate


@given(delays_lists)
def test_default_rate_by_search(delays):
    native = native_rate(normalize_delays(delays))
    enough = [native * n for n in (1, 2, 3, 4) if native * n >= 24]
    assert default_rate(normalize_delays(delays)) == (enough or [native * 4])[0]


def test_multiplier_one_gives_back_the_frames():
    timeline = Timeline([50] * 4, multiplier=1)
    assert all_samples(timeline) == [Sample(n, n, n, 0.0) for n in range(4)]


def test_multiplier_three_divides_the_intervals_and_holds_the_last():
    timeline = Timeline([50] * 3, multiplier=3)
    expected = [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 2, 2]
    assert positions(timeline) == pytest.approx(expected)
    assert timeline.output_times == [Fraction(n, 60) for n in range(9)]


def test_a_loop_goes_from_the_last_frame_to_the_first():
    samples = all_samples(Timeline([50] * 2, multiplier=2, loop=True))
    assert samples[2:] == [Sample(2, 1, 1, 0.0), Sample(3, 1, 0, 0.5)]


def test_a_cut_holds_its_frame():
    assert positions(Timeline([50] * 3, multiplier=2), cuts=[0]) == [0, 0, 1, 1.5, 2, 2]
    assert positions(Timeline([50] * 2, multiplier=2, loop=True), cuts=[1]) == [0, 0.5, 1, 1]


def test_a_pause_is_held_until_the_last_median_delay_of_it():
    timeline = Timeline([100, 100, 500, 100, 100], rate=20)
    pause = [sample.t for sample in timeline.samples(2)]
    assert pause == [0.0] * 9 + [0.5]


def test_twice_the_median_is_no_pause_yet():
    assert [s.t for s in Timeline([100, 100, 200, 100], rate=20).samples(2)] == [0, 0.25, 0.5, 0.75]


def test_ten_minutes_of_pause():
    timeline = Timeline([40, 40, 600_000, 40], loop=True)
    assert timeline.rate == 25 and timeline.num_output_frames == 15_003
    assert [s.t for s in timeline.samples(2)] == [0.0] * 15_000
    doubled = Timeline([40, 40, 600_000, 40], multiplier=2).samples(2)
    assert [s.t for s in doubled] == [0.0] * 29_999 + [0.5]


def test_fewer_frames_than_the_gif_has():
    assert positions(Timeline([40] * 10, rate=Fraction(25, 4))) == [0, 4, 8]  # 2.5, half up


def test_very_many_frames_a_second():
    timeline = Timeline([40, 40], rate=100_000)
    assert timeline.num_output_frames == 8000
    assert [s.t for s in timeline.samples(0)] == [n / 4000 for n in range(4000)]


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("delay", [0, 100, 600_000])
def test_one_frame_is_held(loop, delay):
    timeline = Timeline([delay], rate=30, loop=loop)
    samples = all_samples(timeline)
    assert samples == [Sample(n, 0, 0, 0.0) for n in range((delay or 100) * 30 // 1000)]


def test_start_and_end_cut_the_time_line():
    timeline = Timeline([100] * 10, rate=20, start=Fraction("0.25"), end=Fraction("0.5"))
    assert timeline.duration == Fraction(1, 4)
    assert positions(timeline) == [2.5, 3, 3.5, 4, 4.5]
    assert [s.index for s in all_samples(timeline)] == [0, 1, 2, 3, 4]


def test_an_end_beyond_the_end_is_the_end():
    assert Timeline([100] * 3, end=99).duration == Fraction(3, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 2}, "nothing lies between 2 s and its end: the GIF lasts 0.2 s"),
        ({"start": Fraction("0.1"), "end": Fraction("0.1")}, "between 0.1 s and 0.1 s"),
        ({"start": -1}, "nothing lies between -1 s"),
        ({"rate": 0}, "must be above 0, got 0"),
        ({"multiplier": -2}, "must be above 0, got -20"),
    ],
)
def test_what_leaves_nothing_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Timeline([100, 100], **options)


def test_programming_mistakes_are_refused():
    with pytest.raises(ValueError, match="at least one delay"):
        Timeline([])
    with pytest.raises(ValueError, match="got both"):
        Timeline([100], rate=3, multiplier=2)


@given(delays_lists, rates, st.booleans())
def test_output_lasts_what_browsers_show_to_within_one_frame(delays, rate, loop):
    timeline = Timeline(delays, rate=rate, loop=loop)
    shown = sum(Fraction(d if d > 10 else 100, 1000) for d in delays)
    assert timeline.duration == shown
    assert abs(timeline.num_output_frames / rate - shown) < 1 / rate
    assert timeline.num_output_frames >= 1


@given(delays_lists, rates, st.booleans(), st.sets(st.integers(0, 11)))
def test_every_output_frame_comes_once_in_order_at_its_exact_time(delays, rate, loop, cuts):
    timeline = Timeline(delays, rate=rate, loop=loop)
    samples = all_samples(timeline, cuts)
    assert [sample.index for sample in samples] == list(range(timeline.num_output_frames))
    shown = [Fraction(d if d > 10 else 100, 1000) for d in delays]
    median = statistics.median_low(shown)
    for sample in samples:
        time = sample.index / rate
        begin = sum(shown[: sample.first], Fraction(0))
        duration = shown[sample.first]
        assert begin <= time < begin + duration
        assert 0 <= sample.t < 1
        is_last = sample.first == len(delays) - 1
        if sample.first in cuts or (is_last and not loop) or len(delays) == 1:
            expected = 0.0
        elif duration > 2 * median:
            expected = max(0.0, float((time - begin - duration + median) / median))
        else:
            expected = float((time - begin) / duration)
        assert sample.t == pytest.approx(expected, abs=1e-12)
        assert sample.second == (sample.first + (sample.t > 0)) % len(delays)


@given(
    delays_lists, rates, st.fractions(0, 1, max_denominator=100),
    st.fractions(0, 1, max_denominator=100),
)
def test_a_part_shows_what_the_whole_shows_at_the_same_time(delays, rate, one, other):
    total = sum(normalize_delays(delays))
    start, end = sorted([one * total, other * total])
    if start == end:
        return
    part = Timeline(delays, rate=rate, start=start, end=end)
    assert abs(part.num_output_frames / rate - (end - start)) < 1 / rate
    # A line that starts at zero and is fine enough to hold the part's times.
    whole = Timeline(delays, rate=rate)
    for sample in all_samples(part):
        time = start + sample.index / rate
        interval = whole.interval_at(time)
        assert interval == sample.first
        assert sample.t == whole.position(time, interval)


def test_positions_never_round_up_to_the_next_frame():
    timeline = Timeline([600_000, 600_000], rate=Fraction(10**15))
    end = Fraction(600) - Fraction(1, 10**40)
    assert timeline.position(end, 0) == math.nextafter(1, 0)
