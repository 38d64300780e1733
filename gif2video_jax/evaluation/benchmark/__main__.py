"""`python -m gif2video_jax.evaluation.benchmark`."""

import sys

from gif2video_jax.evaluation.benchmark.command import main

if __name__ == "__main__":
    sys.exit(main())
