"""Cameras in, clips out: sources, the clip grid, the bus."""
