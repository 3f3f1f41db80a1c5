"""npm's oidc-provider, which is certified, from the folder that `script/test` keeps it in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from abaft.login_with import OIDC
from servers.private import ServerMissing
from servers.process import AppProcess

SCRIPT = Path(__file__).parent / "openid.mjs"
OLDEST = 20
"""The oldest Node that it runs on."""


def folder(package: str = "oidc-provider") -> Path:
    """Where a package is installed. Raises ServerMissing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "abaft" / "openid"
    if not (found / "node_modules" / package).is_dir():
        raise ServerMissing(f"npm's {package} isn't in {found}: script/test installs it")
    return found


def node() -> str:
    """A Node that is new enough: the system's, or the folder's own. Raises ServerMissing."""
    for path in (shutil.which("node"), str(folder() / "node_modules" / ".bin" / "node")):
        if path and Path(path).exists():
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            if int(said.stdout.strip().removeprefix("v").partition(".")[0]) >= OLDEST:
                return path
    raise ServerMissing(f"there is no Node {OLDEST} or newer: script/test installs one")


class OpenIdProvider(AppProcess):
    """The provider as a process; people are sent back to `redirect` alone."""

    def __init__(self, redirect: str) -> None:
        super().__init__(
            "",
            command=[node(), str(SCRIPT), str(folder()), redirect],
            probe="/.well-known/openid-configuration",
            env={"NODE_ENV": "test"},
        )

    def settings(self, **options: object) -> OIDC:
        """This provider, as an app declares it."""
        secret = "a secret of 32 characters or more"
        return OIDC(self.url, client_id="abaft", client_secret=secret, name="idp", **options)  # type: ignore[arg-type]


class OpenIdApp(AppProcess):
    """An app that signs people in at `issuer`, by npm's openid-client; as a process."""

    def __init__(self, issuer: str, client: str, secret: str) -> None:
        at = str(folder("openid-client"))
        script = str(SCRIPT.with_name("openid_app.mjs"))
        super().__init__("", command=[node(), script, at, issuer, client, secret], probe="/")
