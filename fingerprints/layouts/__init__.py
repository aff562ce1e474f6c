"""The same weights laid out otherwise: fused or split, stacked or one by one, turned, with or without weight norm.

`harmonised` takes apart or turns what the two sides of a comparison store differently, so that both have the same
tensors. One file a layout; `LAYOUTS` lists them in the order in which they are undone.
"""

from fingerprints.layouts.harmony import LAYOUTS, Layout, LayoutNote, harmonised, layouts_in

__all__ = ["LAYOUTS", "Layout", "LayoutNote", "harmonised", "layouts_in"]
