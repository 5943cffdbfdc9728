"""InternVideo2 in PyTorch: read from official checkpoints, exported to ONNX, never run live."""
