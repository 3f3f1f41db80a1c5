"""Others' apps log in with abaft: an authorization server of OAuth 2.1 and OpenID Connect."""
