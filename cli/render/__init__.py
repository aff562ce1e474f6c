"""Results as text for people: one file a section, pure functions from a result to rich renderables."""
