"""From a GIF to a video: dequantise, interpolate, encode."""
