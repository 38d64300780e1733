"""GIF-Moments as a TFDS data set: Video2GIF segments and their GIFs."""
