"""Self-contained pages: templates, one style, one small script, and the figures that go into them."""
