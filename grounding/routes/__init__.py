"""What grounding answers over HTTP; deploy mounts it."""
