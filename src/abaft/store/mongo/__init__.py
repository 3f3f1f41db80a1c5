"""From plans to MongoDB's queries and pipelines; nothing outside knows that it isn't SQL."""
