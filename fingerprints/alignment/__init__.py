"""Which units of one checkpoint stand for which units of another, and views of both in one order."""
