"""How well, how fast and in how much memory `identify` finds what models come from."""
