"""Real servers for tests, private and short-lived: one file a server."""
