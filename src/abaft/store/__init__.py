"""Databases behind one interface: peers that don't know each other."""
