"""Checkpoints whose history is known: trained here from scratch, or fetched from the package index."""
