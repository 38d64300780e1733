"""Data: the open corpus, motion from stills, and the TFDS builders."""
