"""HTTP: requests become intents, answers and faults become responses."""
