"""Scans: many targets, one row each, unattended."""
