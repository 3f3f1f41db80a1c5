"""The benchmark: abaft beside FastAPI + SQLAlchemy, on the same data, in the same run."""
