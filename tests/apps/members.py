"""People with accounts, for tests of several processes; settings come from the environment."""

from abaft import App, User
from accounts import Note

app = App(User, Note)
