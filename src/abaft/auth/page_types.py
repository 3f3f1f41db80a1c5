"""What pages of accounts are made of: lines, forms, and what stands above them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["text", "words", "number", "json", "user", "later"]
"""How an endpoint takes what was typed: as it is, as a list, a number, or JSON; within `user`, as
registrations do; or not at all, since it is for the form that follows."""


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a form; `label` is the name of a text.

    One that isn't required is left out where it is empty. `options` is the endpoint of those that
    there are to choose from.
    """

    name: str
    label: str
    type: str = "text"
    autocomplete: str = "off"
    most: int = 254
    required: bool = True
    kind: Kind = "text"
    options: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is posted to /account/`name`, for `endpoint`.

    `fixed` and `query` go to the endpoint along with what was typed. What follows is `then`: a
    page to go on to; or `leads`: a page that is drawn at once, with what the endpoint answered;
    or a page that says `told`; or where the browser came from. With `each` it stands at every row
    of the page's list, whose `id` it sends under this name ("id" is a part of the endpoint's
    path), but at rows that have `unless`. `only` is a member of the page's state and what it has
    to be.
    """

    name: str
    endpoint: str
    button: str
    fields: tuple[Field, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    title: str = ""
    lead: str = ""
    then: str | None = None
    leads: str = ""
    told: str = ""
    each: str = ""
    unless: str = ""
    only: tuple[str, bool] | None = None
    quiet: bool = False
    """Not what the page is for: its button steps back."""

    def without(self, autocomplete: str) -> Form:
        """The form without the fields that a browser fills in with this."""
        kept = tuple(row for row in self.fields if row.autocomplete != autocomplete)
        return replace(self, fields=kept)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a page lists: each row's name is the first of `names` that isn't empty.

    `notes` are members told below it, each with the text before it, and `marks` those that are
    true or false.
    """

    endpoint: str
    names: tuple[str, ...]
    notes: tuple[tuple[str, str], ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    empty: str = "none_yet"


@dataclass(frozen=True, slots=True)
class Page:
    """/account/`name`. With `known` one must have logged in; with `menu` the overview leads there.

    `state` is an endpoint whose answer says which forms there are, and `leads` what is told of
    it. `kept` are values that come from the form before, and go on with this one: without them
    there is only `home`. `links` lead elsewhere, and `after` those of the page that says that it
    is done. `drawn` is the member among these that is drawn as a picture.
    """

    name: str
    title: str
    forms: tuple[Form, ...] = ()
    lead: str = ""
    known: bool = False
    menu: bool = False
    links: tuple[tuple[str, str], ...] = ()
    after: tuple[tuple[str, str], ...] = ()
    lists: Listing | None = None
    state: str = ""
    leads: tuple[tuple[str, bool, str], ...] = ()
    kept: tuple[str, ...] = ()
    home: str = ""
    drawn: str = ""
