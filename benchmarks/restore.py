"""Speed and memory of the main job, as a person meets them.

    python benchmarks/restore.py [--gif FILE.gif] [--multiplier 2] [--repetitions 3]

Prints three tables: the command from its start to a finished MP4 with an empty compilation cache
and with a filled one, with its peak memory; output frames a second once everything is compiled,
and which stage the time goes to; and the forward pass of the paper's CCDNet-1 beside the same
network in PyTorch (`benchmarks/forward.py`). Without --gif it makes a GIF of 20 frames of 320x240
(32 colours, Floyd-Steinberg) from the bundled sample.
"""

import argparse
import collections
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction

import numpy as np
from PIL import Image

from gif2video_jax.gifs.maker import quantize, write_gif
from gif2video_jax.media import open_video, open_writer
from gif2video_jax.restoring.options import RestoreOptions

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gif", type=pathlib.Path, help="the GIF to restore")
    parser.add_argument("--multiplier", type=int, default=2, help="output frames a GIF frame")
    parser.add_argument("--repetitions", type=int, default=3, help="of the warm start")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gif = options.gif or make_gif(pathlib.Path(folder, "benchmark.gif"))
        starts(gif, options.multiplier, options.repetitions, pathlib.Path(folder))
        running(gif, options.multiplier, pathlib.Path(folder))
    print("\nForward pass, CCDNet-1 of the paper, 64 channels, 256x256:")
    sys.stdout.flush()
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "forward.py")], check=True)


def make_gif(path: pathlib.Path) -> pathlib.Path:
    """20 frames of 320x240 from the sample, every second one, at 80 ms."""
    with open_video(ROOT / "data" / "samples" / "bunny.mp4") as clip:
        frames = [frame for number, frame in enumerate(clip) if number % 2 == 0][:20]
    frames = [np.asarray(Image.fromarray(frame).resize((320, 240))) for frame in frames]
    write_gif(path, [quantize(f, 32, "median_cut", "floyd_steinberg") for f in frames], [80] * 20)
    return path


def starts(gif: pathlib.Path, multiplier: int, repetitions: int, folder: pathlib.Path) -> None:
    """The whole command, in a process of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    command = [
        *(sys.executable, "-m", "gif2video_jax.cli", "restore", str(gif), "-q", "--overwrite"),
        *("--dequantize", "on", "--multiplier", str(multiplier), "-o", str(folder / "out.mp4")),
    ]
    print(f"{'restore ' + gif.name:32}{'seconds':>9}{'peak MB':>9}")
    cold = timed(command, environment)
    warm = [timed(command, environment) for _ in range(repetitions)]
    middle = statistics.median(seconds for seconds, _ in warm)
    print(f"{'cold start (empty cache)':32}{cold[0]:9.2f}{cold[1]:9.0f}")
    print(f"{f'warm start, median of {repetitions}':32}{middle:9.2f}{max(m for _, m in warm):9.0f}")


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak megabytes of a command."""
    before = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: failed")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def running(gif: pathlib.Path, multiplier: int, folder: pathlib.Path) -> None:
    """Frames a second of a second pass in one process, and each stage's share."""
    # Imported late, so that `--help` is quick.
    from gif2video_jax.gifs import reader
    from gif2video_jax.restoring import dequantize, interpolate
    from gif2video_jax.restoring.plan import plan_restoration

    spent: collections.Counter[str] = collections.Counter()

    def count(owner, name: str, stage: str) -> None:
        function = getattr(owner, name)

        def wrapper(*arguments, **keywords):
            before = time.perf_counter()
            try:
                return function(*arguments, **keywords)
            finally:
                spent[stage] += time.perf_counter() - before

        setattr(owner, name, wrapper)

    count(reader.GifReader, "__next__", "read the GIF")
    count(dequantize.Dequantizer, "__call__", "dequantise")
    count(interpolate.Interpolator, "between", "interpolate")
    options = RestoreOptions(multiplier=Fraction(multiplier), dequantize="on")
    with plan_restoration(gif, options, may_have_alpha=False) as plan:
        frames = list(plan.stream)  # compiles everything
        spent.clear()
        before = time.perf_counter()
        with (
            reader.open_gif(gif) as source,
            open_writer(
                folder / "running.mp4",
                width=plan.info.width,
                height=plan.info.height,
                rate=plan.timeline.rate,
            ) as writer,
        ):
            plan.stream.restart(source)
            for frame in plan.stream:
                start = time.perf_counter()
                writer.write(frame)
                spent["encode"] += time.perf_counter() - start
        total = time.perf_counter() - before
    spent["finish the file, and the rest"] = total - sum(spent.values())
    print(f"\n{'once running':32}{len(frames) / total:9.1f} output frames a second")
    for stage, seconds in spent.most_common():
        print(f"  {stage:30}{seconds:9.2f} s{100 * seconds / total:6.0f} %")


if __name__ == "__main__":
    main()
