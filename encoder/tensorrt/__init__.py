"""TensorRT engines: their key, their making in a process of its own, and how they run."""
