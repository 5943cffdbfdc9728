"""Everything of evidence that PyAV (FFmpeg) does: writing, reading, cutting and coding packets."""
