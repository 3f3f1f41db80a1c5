"""Which pages of accounts there are: those whose endpoints the app has, with what these ask."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from abaft.auth.context import Context
from abaft.auth.page_table import NAME, NEW, PAGES
from abaft.auth.page_types import Field, Form, Page


def offered(context: Context, endpoints: Collection[str]) -> dict[str, Page]:
    """The pages by name."""
    found: dict[str, Page] = {}
    for name, page in PAGES.items():
        forms = tuple(form for form in page.forms if form.endpoint in endpoints)
        if forms or (page.home in found and not page.forms):
            found[name] = replace(page, forms=forms)
    if "join" in found and not context.settings.email_verification:
        [form] = found["join"].forms
        whole = replace(form, fields=(*form.fields, NAME, NEW), button="save", told="")
        found["join"] = replace(found["join"], forms=(whole,))
    if "name" not in context.models.user.__registers__:
        for name in {"join", "register"} & {*found}:
            found[name] = _without(found[name], NAME)
    return found


def _without(page: Page, field: Field) -> Page:
    def less(form: Form) -> Form:
        return replace(form, fields=tuple(row for row in form.fields if row is not field))

    return replace(page, forms=tuple(map(less, page.forms)))
