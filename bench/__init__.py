"""Measurements that need more than a test run: calibration, robustness and speed. `python -m bench` runs them."""
