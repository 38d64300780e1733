"""The benchmark's results as Markdown tables."""

from collections.abc import Sequence

import numpy as np

from gif2video_jax.evaluation.benchmark import clips as clip_methods
from gif2video_jax.evaluation.benchmark.clips import ClipsRow
from gif2video_jax.evaluation.benchmark.frontier import FrontierRow
from gif2video_jax.evaluation.benchmark.scenes import ScenesRow
from gif2video_jax.evaluation.benchmark.scores import Scores
from gif2video_jax.evaluation.benchmark.stills import GIF, OURS, StillsRow


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def stills_table(rows: Sequence[StillsRow]) -> str:
    """A row a kind: scores of each method, gain with spread, and the gain over the best filter."""
    names = [name for name in rows[0].columns if name != OURS]
    header = ["GIF of", "size", *names, "**ours**", "gain", "over the best filter"]
    return table(header, [_stills_row(row, names) for row in rows])


def _stills_row(row: StillsRow, names: Sequence[str]) -> list[str]:
    over = "-"
    if row.best_filter is not None:
        best = row.columns[row.best_filter].scores
        over = f"{row.best_filter} {_gain(row.ours.scores, best)}"
    return [
        row.kind.title,
        _kilobytes(row.gif_bytes),
        *(_cell(row.columns[name].scores) for name in names),
        f"**{_cell(row.ours.scores)}**",
        _gain(row.ours.scores, row.gif.scores),
        over,
    ]


def settings_table(rows: Sequence[StillsRow]) -> str:
    """The filters' best settings, and what each method costs."""
    header = ["GIF of", "method", "best setting", "gain, dB", "ms a picture"]
    lines = []
    for row in rows:
        for name, column in row.columns.items():
            if name != GIF:
                setting = f"`{column.setting}`" if column.setting else ""
                gain = _gain(column.scores, row.gif.scores)
                lines.append([row.kind.title, name, setting, gain, f"{column.milliseconds:.0f}"])
    return table(header, lines)


def pictures_table(rows: Sequence[StillsRow]) -> str:
    """Each picture's gain, for those who ask where a mean comes from."""
    header = ["picture", *(row.kind.title for row in rows)]
    lines = []
    for index, name in enumerate(rows[0].names):
        cells = []
        for row in rows:
            before, after = row.gif.scores.psnr[index], row.ours.scores.psnr[index]
            cells.append(f"{before:.2f} → {after:.2f}")
        lines.append([name, *cells])
    return table(header, lines)


def clips_table(rows: Sequence[ClipsRow]) -> str:
    """Frames in between: a row a kind and step."""
    names = [name for name in rows[0].tracks if name != clip_methods.OURS]
    header = ["kept", "GIF of", *names, "**ours**", "over flow on GIF", "over flow on ours"]
    lines = []
    for row in rows:
        ours = row.tracks[clip_methods.OURS].scores
        over = [
            _gain(ours, row.tracks[name].scores) if name in row.tracks else "-"
            for name in (clip_methods.FLOW, clip_methods.FLOW_ON_OURS)
        ]
        cells = [_cell(row.tracks[name].scores) for name in names]
        lines.append([_kept(row), row.kind.title, *cells, f"**{_cell(ours)}**", *over])
    return table(header, lines)


def clip_settings_table(rows: Sequence[ClipsRow]) -> str:
    """The best settings of flow and minterpolate."""
    header = ["kept", "GIF of", "method", "best setting"]
    return table(
        header,
        [
            [_kept(row), row.kind.title, name, track.setting]
            for row in rows
            for name, track in row.tracks.items()
            if track.setting
        ],
    )


def each_clip_table(rows: Sequence[ClipsRow]) -> str:
    """Every clip by itself: frames in between, flicker, sizes and speed."""
    header = ["clip", "kept", "GIF of", "minterpolate", "flow on GIF", "flow on ours", "ours"]
    header += ["GIF", "MP4", "ms a frame"]
    wanted = (
        clip_methods.FFMPEG,
        clip_methods.FLOW,
        clip_methods.FLOW_ON_OURS,
        clip_methods.OURS,
    )
    lines = []
    for row in rows:
        for index, clip in enumerate(row.clips):
            found = [
                f"{row.tracks[name].scores.psnr[index]:.2f}" if name in row.tracks else "-"
                for name in wanted
            ]
            sizes = [_kilobytes([size[index]]) for size in (row.gif_bytes, row.video_bytes)]
            speed = f"{row.frame_milliseconds[index]:.0f}"
            lines.append([clip.name, _kept(row), row.kind.title, *found, *sizes, speed])
    return table(header, lines)


def key_frames_table(rows: Sequence[ClipsRow]) -> str:
    """The GIF's own frames."""
    header = ["kept", "GIF of", "GIF", "ours, each frame alone", "**ours**", "gain"]
    lines = []
    for row in rows:
        gif, alone, ours = (
            row.key_scores[name] for name in ("GIF", clip_methods.ALONE, clip_methods.OURS)
        )
        cells = [_cell(gif), _cell(alone), f"**{_cell(ours)}**", _gain(ours, gif)]
        lines.append([_kept(row), row.kind.title, *cells])
    return table(header, lines)


def flicker_table(scenes: Sequence[ScenesRow], clips: Sequence[ClipsRow]) -> str:
    """Standard deviation over time of what stands still."""
    header = ["scene", "GIF of", "still", "truth", "GIF", "**ours**"]
    lines = []
    for row in scenes:
        gif, ours = row.means
        share = np.mean([one.share for one in row.gif])
        cells = [f"{share:.0%}", "0", f"{gif:.2f}", f"**{ours:.2f}**"]
        lines.append([f"{len(row.names)} made scenes", row.kind.title, *cells])
    for clip_row in clips:
        for clip, found in zip(clip_row.clips, clip_row.flickers, strict=True):
            if found["GIF"].share > 0:
                levels = [f"{found[name].level:.2f}" for name in ("truth", "GIF", "ours")]
                share_text = f"{found['GIF'].share:.0%}"
                cells = [share_text, *levels[:2], f"**{levels[2]}**"]
                name = f"{clip.name}, {_kept(clip_row)}"
                lines.append([name, clip_row.kind.title, *cells])
    return table(header, lines)


def frontier_table(rows: Sequence[FrontierRow]) -> str:
    """Quality against speed: a row a model, and one for a second pass of its network."""
    kinds = list(rows[0].gains)
    header = ["model", "weights", "ms to dequantise", "ms a frame between", "frames/s at twice"]
    header += [f"gain, {kind}" for kind in kinds]
    lines = []
    for row in rows:
        between = row.interpolate_milliseconds
        cells = [
            f"{row.megabytes:.1f} MB",
            f"{row.dequantize_milliseconds:.0f}",
            "-" if between is None else f"{between:.0f}",
            "-" if row.output_rate is None else f"{row.output_rate:.1f}",
        ]
        lines.append([row.name, *cells, *(f"{row.gains[kind]:+.2f}" for kind in kinds)])
        second = [f"{row.second_pass_gains[kind]:+.2f}" for kind in kinds]
        name = f"{row.name}, network applied twice"
        lines.append([name, "", f"{2 * row.dequantize_milliseconds:.0f}", "", "", *second])
    return table(header, lines)


def _cell(scores: Scores) -> str:
    found = f"{scores.mean_psnr:.2f} ± {np.std(scores.psnr):.1f} / {scores.mean_ssim:.3f}"
    lpips = scores.mean_lpips
    return found if lpips is None else f"{found} / {lpips:.3f}"


def _gain(scores: Scores, other: Scores) -> str:
    mean, spread = scores.gain_over(other)
    return f"{mean:+.2f} ± {spread:.2f}"


def _kept(row: ClipsRow) -> str:
    return {2: "every 2nd", 3: "every 3rd"}.get(row.keep_every, f"every {row.keep_every}th")


def _kilobytes(sizes: Sequence[int]) -> str:
    return f"{np.mean(sizes) / 1000:.0f} kB"
