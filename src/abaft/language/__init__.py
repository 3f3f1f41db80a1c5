"""The filter language: text becomes a small tree, and that a condition with named values."""
