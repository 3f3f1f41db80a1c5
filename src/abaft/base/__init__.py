"""What everything else may know: errors, settings, the actor, ids and the clock."""
