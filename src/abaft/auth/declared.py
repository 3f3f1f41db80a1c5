"""Accounts, as an application declares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abaft.auth.models import OwnModels
from abaft.auth.oauth.providers import Provider
from abaft.auth.server.sign_in import SignIn
from abaft.base.errors import SettingError
from abaft.base.extras import needs
from abaft.base.settings import Settings
from abaft.observe.events import Observer
from abaft.pipeline import Pipeline

if TYPE_CHECKING:
    from abaft.auth.accounts import Accounts


@dataclass(frozen=True)
class Declared:
    """With whom people may log in here, and what others may have them sign in for."""

    login_with: Sequence[Provider] = ()
    sign_in: SignIn | None = None

    def accounts(
        self,
        own: OwnModels | None,
        pipeline: Pipeline,
        settings: Settings,
        observer: Observer,
        secrets: Sequence[bytes],
        title: str,
    ) -> Accounts | None:
        """Accounts, for who declares a model of users.

        Raises SettingError where there is none, and something was said of accounts.
        """
        if own is None:
            for name in ("login_with", "sign_in"):
                if getattr(self, name):
                    raise SettingError(f"{name} needs accounts: give User to App, as App(User, …)")
            return None
        with needs("accounts"):
            from abaft.auth.accounts import Accounts

        return Accounts(pipeline, settings, observer, secrets, own, title, self)
