"""The pages of accounts, a row each: what is asked for, and which endpoint it is handed to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a form; `label` is the name of a text."""

    name: str
    label: str
    type: str = "text"
    autocomplete: str = "off"
    most: int = 254
    required: bool = True


EMAIL = Field("email", "email_label", "email", "username")
PASSWORD = Field("password", "password_label", "password", "current-password", 1_024)
NEW = Field("password", "new_password", "password", "new-password", 1_024)
CURRENT = Field("current", "current_password", "password", "current-password", 1_024)
NAME = Field("name", "name_label", "text", "name")
CODE = Field("code", "code_label", "text", "one-time-code", 40)
TOKEN = Field("token", "token_label", "text", "off", 200)


@dataclass(frozen=True, slots=True)
class Page:
    """A form at /account/`name`, for `endpoint`. `then` is the page that follows, "" an answer.

    `told` is the text of a page that says that it is done. With `known` one must have logged in.
    """

    name: str
    title: str
    endpoint: str
    fields: tuple[Field, ...]
    button: str
    then: str = ""
    told: str = ""
    lead: str = ""
    known: bool = False
    links: tuple[tuple[str, str], ...] = ()


_LOGIN = ("login", "login")
PAGES = {
    row.name: row
    for row in (
        Page(
            "login", "login", "POST login", (EMAIL, PASSWORD), "login",
            links=(("forgot", "forgot_link"), ("join", "no_account")),
        ),
        Page("factor", "factor", "POST login/factor", (CODE,), "continue", lead="factor_lead"),
        Page(
            "join", "join", "POST register", (EMAIL,), "send_link", told="mailed",
            links=(("login", "have_account"),),
        ),
        Page("register", "register", "POST register/finish", (TOKEN, NAME, NEW), "save"),
        Page(
            "forgot", "forgot", "POST password/forgot", (EMAIL,), "send_link", told="mailed",
            links=(_LOGIN,),
        ),
        Page(
            "reset", "reset", "POST password/reset", (TOKEN, NEW), "save", told="password_saved",
            links=(_LOGIN,),
        ),
        Page("magic", "magic", "POST mail/link", (TOKEN,), "login"),
        Page(
            "identity", "identity", "POST identities/confirm", (TOKEN,), "login",
            lead="identity_lead",
        ),
        Page(
            "membership", "membership", "POST memberships/accept", (TOKEN,), "accept",
            known=True, lead="membership_lead", told="membership_made",
        ),
        Page("email", "email", "POST email/agree", (TOKEN,), "continue", told="email_agreed"),
        Page(
            "password", "change_password", "POST password", (CURRENT, NEW), "save", known=True,
            told="password_changed",
        ),
    )
}  # fmt: skip
