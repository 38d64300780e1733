"""What a GIF is and how one is made: reading, palettes, timing. NumPy, Pillow and PyAV only."""
