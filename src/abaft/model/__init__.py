"""Declarations: fields, relations, rules and hooks, and the frozen schema made from them."""
