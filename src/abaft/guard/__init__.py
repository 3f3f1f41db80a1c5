"""Pure functions that keep the door: signatures and limits."""
