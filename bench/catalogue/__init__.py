"""The catalogue that `identify` ships: made from configurations, with transformers on the meta device."""
