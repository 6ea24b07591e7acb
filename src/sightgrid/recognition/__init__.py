"""Embeddings to a decision; no pixels, no SQL."""
