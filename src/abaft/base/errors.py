"""Everything that can go wrong, in one tree.

AbaftError
├── SetupError                 the declarations or settings are wrong: the start stops
│   ├── ModelError             a model
│   ├── RuleError              a rule that can't become a query
│   ├── SettingError           a setting
│   └── SchemaMismatch         the models and the database differ
└── Fault                      a request that can't be answered as asked (RFC 9457)
    ├── BadRequest             400  the request can't be understood
    ├── Unauthorized           401  who asks is not known
    ├── Forbidden              403  known, and not allowed
    ├── NotFound               404  not there, or not to be seen
    ├── MethodNotAllowed       405  the path takes other methods
    ├── NotAcceptable          406  no such form of the answer
    ├── RequestTimeout         408  the client sends too slowly
    ├── Conflict               409  unique, referenced, or changed at the same time
    ├── PreconditionFailed     412  If-Match names another version
    ├── TooLarge               413  the body is over the limit
    ├── UriTooLong             414  the URL is over the limit
    ├── UnsupportedMedia       415  the body's type isn't taken
    ├── Invalid                422  understood, and some values are wrong
    ├── TooManyRequests        429  the rate limit
    ├── HeadTooLarge           431  the headers are over the limit
    ├── ServerFault            500  a defect of ours
    └── Unavailable            503  the database is away or we are full: come back
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

MOST_TOLD = 100
"""Wrong things that one answer tells of: a small request mustn't lead to a large one."""


class AbaftError(Exception):
    """The root of the tree."""


class SetupError(AbaftError):
    """Found at the start: the message says what to write instead."""


class ModelError(SetupError):
    """A model that can't be served as it is declared."""


class RuleError(SetupError):
    """A rule, `where=` or check that can't become a query."""


class SettingError(SetupError):
    """A setting with a value that can't be used."""


class SchemaMismatch(SetupError):
    """The database isn't what the models say; `differences` lists how."""

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        lines = "\n".join(f"  - {difference}" for difference in differences)
        super().__init__(
            f"the models and the database differ:\n{lines}\n"
            "`abaft migrate diff` writes a migration of it, and `abaft migrate apply` runs it"
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong thing in a request.

    `pointer` is a JSON Pointer into the body ("/title"), or "?name" for a query parameter.
    """

    pointer: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class Fault(AbaftError):
    """A request that is refused: becomes a problem body (RFC 9457).

    `detail` and `errors` are for the client; a cause goes to the log by `raise … from`.
    """

    status = 500
    code = "fault"
    title = "Something went wrong"
    passing = False
    """Whether others were in the way, so that all of it may succeed from the top."""

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        hint: str | None = None,
        errors: Iterable[Problem] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.hint = hint
        self.errors = tuple(errors)[:MOST_TOLD]
        self.headers = headers or {}
        if code is not None:
            self.code = code

    def within(self, pointer: str) -> Fault:
        """The fault of a part of the body, for the whole of it; it names its place in any case."""
        if not pointer:
            return self
        own = self.errors or (Problem("", self.code, self.detail or self.title),)
        placed = [
            problem
            if problem.pointer.startswith("?")
            else Problem(pointer + problem.pointer, problem.code, problem.detail)
            for problem in own
        ]
        return self.told(self.detail, placed)

    def about(self, label: str) -> Fault:
        """The fault of one record of many, which it names."""
        own = self.errors or (Problem("", self.code, self.detail or self.title),)
        named = [Problem(row.pointer, row.code, f"{label}: {row.detail}") for row in own]
        return self.told(self.detail, named)

    def told(self, detail: str, errors: Iterable[Problem]) -> Fault:
        """The fault in other words."""
        found = copy(self)
        found.detail, found.errors = detail, tuple(errors)[:MOST_TOLD]
        return found

    def as_dict(self) -> dict[str, object]:
        """The problem's members, in the order of RFC 9457."""
        members: dict[str, object] = {
            "type": f"urn:abaft:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            members["detail"] = self.detail
        if self.hint:
            members["hint"] = self.hint
        if self.errors:
            members["errors"] = [problem.as_dict() for problem in self.errors]
        return members


class BadRequest(Fault):
    """The path, a parameter or the body's form can't be understood."""

    status, code, title = 400, "bad_request", "The request can't be understood"


class Unauthorized(Fault):
    """Who asks isn't known, and must be; carries WWW-Authenticate where a scheme would help."""

    status, code, title = 401, "unauthorized", "Authentication is required"


class Forbidden(Fault):
    """Who asks is known, and no rule allows it."""

    status, code, title = 403, "forbidden", "This is not allowed"


class NotFound(Fault):
    """There is no such thing, or none that the actor may see: the answer is the same."""

    status, code, title = 404, "not_found", "There is nothing here"


class MethodNotAllowed(Fault):
    """The path takes other methods: Allow names them."""

    status, code, title = 405, "method_not_allowed", "This path takes other methods"


class NotAcceptable(Fault):
    """The client takes no form that the answer has."""

    status, code, title = 406, "not_acceptable", "The answer has no such form"


class RequestTimeout(Fault):
    """The rest of the request has not come within its time; only our own servers tell."""

    status, code, title = 408, "request_timeout", "The request did not come in time"


class Conflict(Fault):
    """A value is taken, a record is still referred to, or others changed it meanwhile."""

    status, code, title = 409, "conflict", "This conflicts with what is stored"


class PreconditionFailed(Fault):
    """If-Match or If-None-Match doesn't hold (RFC 9110, 13.1)."""

    status, code, title = 412, "precondition_failed", "The record has changed since it was read"


class TooLarge(Fault):
    """The body has more bytes than `max_body_bytes`."""

    status, code, title = 413, "too_large", "The body is too large"


class UriTooLong(Fault):
    """Path and query have more bytes than `max_url_bytes`."""

    status, code, title = 414, "uri_too_long", "The URL is too long"


class UnsupportedMedia(Fault):
    """The body's type, charset or coding isn't taken."""

    status, code, title = 415, "unsupported_media_type", "The body's type isn't taken"


class Invalid(Fault):
    """Some values are wrong: `errors` names each by its pointer."""

    status, code, title = 422, "invalid", "Some values are not valid"


class TooManyRequests(Fault):
    """The address has sent more than its minute's share; carries Retry-After."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class HeadTooLarge(Fault):
    """Request line and headers have more bytes than `max_head_bytes`; only our own servers tell."""

    status, code, title = 431, "head_too_large", "The headers are too large"


class ServerFault(Fault):
    """A defect of ours; the log has its cause under the id in the detail."""

    status, code, title = 500, "server_fault", "Something went wrong on our side"


class Unavailable(Fault):
    """Nothing was answered or, unless the code is `outcome_unknown`, written: come back."""

    status, code, title = 503, "unavailable", "The service can't answer at the moment"

    def __init__(self, detail: str = "", *, retry_after: int = 1, code: str | None = None) -> None:
        super().__init__(detail, code=code, headers={"retry-after": str(retry_after)})


def nearest(word: str, words: Iterable[str]) -> str:
    """A question that names the nearest right word, or the right ones where they are few."""
    known = sorted(words)
    found = close(word, known)
    if found:
        return f"did you mean {found!r}?"
    return f"known: {', '.join(known[:20])}" if known else "none are known here"


def close(word: str, words: Iterable[str]) -> str:
    """The right word that is like a wrong one, whatever its capitals; empty where none is."""
    folded = {known.casefold(): known for known in sorted(words, reverse=True)}
    found = difflib.get_close_matches(word[:80].casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""
