"""`python -m gif2video_jax` is the command `gif2video`."""

import sys

from gif2video_jax.cli import main

sys.exit(main())
