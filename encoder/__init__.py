"""Clips in, embeddings out: bundles, video and text towers, embedding spaces."""
