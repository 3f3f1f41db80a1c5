"""From what was asked to what will be run: rules, scopes and limits folded in; no I/O."""
