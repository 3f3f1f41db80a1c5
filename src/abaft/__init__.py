"""abaft: everything behind your app. Models and rules in; a whole backend out."""

from abaft.app import App, Db, Me
from abaft.auth.groups import Invitation, Membership, Organisation
from abaft.auth.server.sign_in import SignIn
from abaft.auth.user import User
from abaft.base.actor import ANONYMOUS, Actor, Authenticator
from abaft.base.errors import (
    AbaftError,
    BadRequest,
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    SetupError,
    Unauthorized,
)
from abaft.base.settings import Settings
from abaft.base.version import __version__ as __version__
from abaft.db import Database
from abaft.model.declare import Model
from abaft.model.decorators import after, allow, before, check, computed, scope, virtual
from abaft.model.field import Email, Many, Ref, Unique, Url, by_database, field, me, now
from abaft.model.symbols import contains, is_null, length, not_, one_of, when

__all__ = [
    "ANONYMOUS",
    "AbaftError",
    "Actor",
    "App",
    "Authenticator",
    "BadRequest",
    "Conflict",
    "Database",
    "Db",
    "Email",
    "Fault",
    "Forbidden",
    "Invalid",
    "Invitation",
    "Many",
    "Me",
    "Membership",
    "Model",
    "NotFound",
    "Organisation",
    "Ref",
    "Settings",
    "SetupError",
    "SignIn",
    "Unauthorized",
    "Unique",
    "Url",
    "User",
    "after",
    "allow",
    "before",
    "by_database",
    "check",
    "computed",
    "contains",
    "field",
    "is_null",
    "length",
    "me",
    "not_",
    "now",
    "one_of",
    "scope",
    "virtual",
    "when",
]
