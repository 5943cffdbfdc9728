"""Reading with FFmpeg: the only place, beside evidence's media, that imports PyAV."""
