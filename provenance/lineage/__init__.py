"""Lineage: which models come from which, as a graph."""
