"""Results as documents: one file a format, each a pure encoder of the same value."""
