"""GIF-Faces as a TFDS data set: FaceForensics faces and their GIFs."""
