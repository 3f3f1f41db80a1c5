"""From plans to SQL text, by SQLAlchemy Core; what differs is a row in a dialect."""
