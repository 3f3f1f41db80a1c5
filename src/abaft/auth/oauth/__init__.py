"""Logging in with others: abaft as a client of OAuth 2.0 and OpenID Connect."""
