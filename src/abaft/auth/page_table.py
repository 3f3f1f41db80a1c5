"""The pages of accounts, a row each: what is asked for, and which endpoint it is handed to."""

from __future__ import annotations

from dataclasses import replace

from abaft.auth.page_types import Field, Form, Listing, Page

EMAIL = Field("email", "email_label", "email", "username")
PASSWORD = Field("password", "password_label", "password", "current-password", 1_024)
NEW = Field("password", "new_password", "password", "new-password", 1_024)
CURRENT = Field("current", "current_password", "password", "current-password", 1_024)
NAME = Field("name", "name_label", "text", "name", kind="user")
CODE = Field("code", "code_label", "text", "one-time-code", 40)
TOKEN = Field("token", "token_label", "text", "off", 200)
GIVEN = replace(TOKEN, type="hidden")
SIGNED = Field("credential", "passkey", "hidden", most=20_000, kind="json")
CALLED = Field("name", "passkey_name", most=120, required=False)

_LOGIN = ("login", "login")
_FORGOT = ("forgot", "forgot_link")


def _page(
    name: str, title: str, endpoint: str, fields: tuple[Field, ...], button: str, **more: object
) -> Page:
    """A page of one form, which is called as the page is."""
    own = {key: more.pop(key) for key in ("told", "then", "leads", "fixed", "query") if key in more}
    form = Form(name, endpoint, button, fields, **own)  # type: ignore[arg-type]
    return Page(name, title, (form,), **more)  # type: ignore[arg-type]


_ENTRY = (
    Page(
        "login", "login",
        (
            Form("login", "POST login", "login", (EMAIL, PASSWORD)),
            Form("passkey", "POST passkeys/challenge", "passkey_login", leads="passkey/enter",
                 quiet=True),
        ),
        links=(_FORGOT, ("link", "link"), ("digits", "digits"), ("join", "no_account")),
    ),
    Page(
        "passkey/enter", "passkey_login",
        (Form("passkey/enter", "POST passkeys/login", "passkey_use",
              (GIVEN, SIGNED)),),
        lead="passkey_lead", kept=("token", "options"), home="login", links=(_LOGIN,),
    ),
    _page("factor", "factor", "POST login/factor",
          (Field("factor_token", "token_label", "hidden"), CODE), "continue", lead="factor_lead"),
    _page("link", "link", "POST mail", (EMAIL,), "send_link", told="mailed", links=(_LOGIN,)),
    _page("digits", "digits", "POST mail", (EMAIL,), "send_code", leads="digits/enter",
          fixed=(("by", "code"),), links=(_LOGIN,)),
    _page("digits/enter", "digits", "POST mail/code", (GIVEN, CODE), "login", lead="mailed_code",
          kept=("token",), home="digits", links=(_LOGIN,)),
    _page("join", "join", "POST register", (EMAIL,), "send_link", told="mailed",
          links=(("login", "have_account"),)),
    _page("register", "register", "POST register/finish", (TOKEN, NAME, NEW), "save"),
    _page("forgot", "forgot", "POST password/forgot", (EMAIL,), "send_link", told="mailed",
          links=(_LOGIN,)),
    _page("reset", "reset", "POST password/reset", (TOKEN, NEW), "save", told="password_saved",
          after=(_LOGIN,)),
    _page("magic", "magic", "POST mail/link", (TOKEN,), "login"),
    _page("identity", "identity", "POST identities/confirm", (TOKEN,), "login",
          lead="identity_lead"),
    _page("membership", "membership", "POST memberships/accept", (TOKEN,), "accept",
          known=True, lead="membership_lead", told="membership_made"),
    _page("email", "email", "POST email/agree", (TOKEN,), "continue", told="email_agreed"),
)  # fmt: skip

_OWN = (
    Page(
        "", "account",
        (
            Form("sessions/end", "DELETE sessions/*", "end", each="id", unless="current",
                 told="ended"),
            Form("sessions/others", "DELETE sessions", "end_others", query=(("others", "true"),),
                 told="others_ended", quiet=True),
            Form("logout", "POST logout", "log_out", then="login"),
        ),
        known=True,
        lists=Listing("GET sessions", ("agent", "kind"),
                      (("address", ""), ("seen", ""), ("methods", "")),
                      (("current", "this_one"),)),
    ),
    Page(
        "passkeys", "passkeys",
        (
            Form("passkeys/name", "PATCH passkeys/*", "rename",
                 (Field("name", "passkey_name", most=120),), each="id", told="passkey_renamed"),
            Form("passkeys/end", "DELETE passkeys/*", "remove", each="id", told="passkey_removed"),
            Form("passkeys/begin", "POST passkeys/begin", "continue",
                 (replace(CALLED, kind="later"), PASSWORD),
                 title="passkey_add", leads="passkeys/make"),
        ),
        known=True, menu=True, lead="passkeys_lead",
        lists=Listing("GET passkeys", ("name", "id"), (("created", "since"),)),
    ),
    Page(
        "passkeys/make", "passkey_add",
        (Form("passkeys/make", "POST passkeys", "passkey_make",
              (GIVEN, SIGNED, replace(CALLED, type="hidden")), then="passkeys",
              told="passkey_added"),),
        known=True, lead="passkey_make_lead", kept=("token", "options"), home="passkeys",
    ),
    Page(
        "totp", "totp",
        (
            Form("totp/begin", "POST totp", "continue", (PASSWORD,), only=("on", False),
                 leads="totp/confirm"),
            Form("totp/remove", "POST totp/remove", "totp_remove", (PASSWORD,), only=("on", True),
                 told="totp_removed", quiet=True),
        ),
        known=True, menu=True, state="GET totp",
        leads=(("on", True, "totp_on"), ("on", False, "totp_off")),
    ),
    Page(
        "totp/confirm", "totp",
        (Form("totp/confirm", "POST totp/confirm", "continue", (CODE,), leads="recovery"),),
        known=True, lead="totp_lead", kept=("secret", "uri"), home="totp", drawn="uri",
    ),
    Page("recovery", "recovery", known=True, lead="recovery_lead", home="totp", kept=("codes",),
         links=(("", "account"),)),
    Page(
        "keys", "keys",
        (
            Form("keys/end", "DELETE keys/*", "end", each="id", told="key_ended"),
            Form("keys/make", "POST keys", "save",
                 (Field("name", "key_name", most=120),
                  Field("scopes", "scopes", most=2_000, kind="words"),
                  Field("days", "key_days", "number", most=4, required=False, kind="number")),
                 title="key_add", lead="key_add_lead", leads="key"),
        ),
        known=True, menu=True, lead="keys_lead",
        lists=Listing("GET keys", ("name",),
                      (("scopes", ""), ("created", "since"), ("expires", "until"),
                       ("used", "last_used"))),
    ),
    Page("key", "key_made", known=True, lead="key_lead", home="keys", kept=("key",),
         links=(("keys", "keys"),)),
    Page(
        "identities", "identities",
        (
            Form("identities/end", "DELETE identities/*", "unlink", each="id",
                 told="identity_unlinked"),
            Form("identities/link", "POST identities", "link_identity",
                 (Field("provider", "provider", "select", options="GET providers"),),
                 fixed=(("next", "{base}/identities"),), leads="away"),
        ),
        known=True, menu=True,
        lists=Listing("GET identities", ("title",),
                      (("email", ""), ("created", "since"), ("used", "last_used"))),
    ),
    Page("away", "away", known=True, lead="away_lead", home="identities", kept=("url",)),
    Page(
        "apps", "apps",
        (Form("apps/end", "DELETE apps/*", "withdraw", each="id", told="app_ended"),),
        known=True, menu=True, lead="apps_lead",
        lists=Listing("GET apps", ("name",), (("scopes", ""), ("since", "since"))),
    ),
    Page(
        "tenants", "tenants",
        (
            Form("tenants/choose", "PUT tenant", "choose", each="tenant", unless="current",
                 told="chosen"),
        ),
        known=True, menu=True,
        lists=Listing("GET tenants", ("name",), (("role", ""),), (("current", "chosen_one"),)),
    ),
    _page("address", "change_email", "POST email",
          (replace(EMAIL, label="new_email", autocomplete="email"), PASSWORD), "send_link",
          known=True, menu=True, told="email_asked"),
    _page("password", "change_password", "POST password", (CURRENT, NEW), "save", known=True,
          menu=True, told="password_changed"),
    _page("export", "export", "GET export", (), "export", known=True, menu=True,
          lead="export_lead"),
    _page("leave", "leave", "POST leave", (PASSWORD,), "leave", known=True, menu=True,
          lead="leave_lead", told="left", after=(_LOGIN,)),
    _page("confirm", "confirm", "POST confirm", (PASSWORD,), "continue", known=True,
          lead="confirm_lead", links=(("login", "confirm_by_login"),)),
)  # fmt: skip

PAGES = {row.name: row for row in (*_ENTRY, *_OWN)}
