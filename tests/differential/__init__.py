"""What the differential tests are made of: models, drawn worlds and questions, and the oracle."""
