"""Which layers, experts and units of two models stand for one another, and both seen through such a map."""
