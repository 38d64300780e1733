"""The open corpus as a TFDS data set: free pictures and clips and their GIFs."""
