"""Accounts with all that they offer, for who tries thousands of times: nothing is counted, and a
password costs next to nothing. Settings come from the environment (`ABAFT_DATABASE` …)."""

from __future__ import annotations

from abaft import App, Invitation, Membership, Organisation, SignIn, User
from abaft.guard import passwords
from accounts import Note

passwords.MEMORY_KIB, passwords.PASSES = 8, 1
app = App(User, Organisation, Membership, Invitation, Note, sign_in=SignIn({}, registration=True))
assert app.accounts is not None
throttle = app.accounts.context.throttle
throttle._limits = {name: [] for name in throttle._limits}
