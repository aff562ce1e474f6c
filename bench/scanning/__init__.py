"""Scans at the size at which they are meant to run: many repositories, slow servers, workers that die."""
