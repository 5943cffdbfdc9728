"""Embeddings and standing queries in, alerts out: SG-DETR, windows, gate, alerts."""
