"""The benchmark over the zoo: every pair whose truth is known, compared as a user would, and scored."""
