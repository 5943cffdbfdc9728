"""Official checkpoints to a bundle: what `watchword bundles convert` does."""
