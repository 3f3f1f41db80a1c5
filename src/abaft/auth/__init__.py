"""Who asks: authenticators make an actor of a request's headers."""
