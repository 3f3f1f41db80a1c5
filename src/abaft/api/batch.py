"""POST /api/batch: several operations as one request, later ones by the answers of earlier ones.

In an atomic batch each operation runs until it asks for its write; what they all ask for is done in
one hand-over, and each makes its answer of its part. Where that isn't enough they run one after the
other within a transaction, which comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, NotRequired
from urllib.parse import quote

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import to_json
from typing_extensions import TypedDict

from abaft.answers import Unit
from abaft.api import preferences, references
from abaft.api.gathering import Gathered
from abaft.api.parts import Route
from abaft.api.request import JSON, MERGE_PATCH, Request, check_content
from abaft.api.respond import Answer
from abaft.api.uniform import Uniform
from abaft.api.writes import Writes
from abaft.base import clock
from abaft.base.errors import Fault, Invalid, MethodNotAllowed, Problem, UriTooLong
from abaft.base.settings import Settings
from abaft.model.spec import Model
from abaft.model.values import body_fault, problem_of, summary, unknown_member
from abaft.pipeline import Pipeline

BATCH = Model("batch", "batch", "", (), {})
"""What stands in a request to the batch itself for its model."""
NONE: Any = object()
"""No body, which isn't the same as null."""
_HEADERS = ("content-type", "if-match", "if-none-match", "prefer")
_TAKES_BODY = ("POST", "PATCH", "PUT")
_ASCII = "".join(map(chr, range(33, 127)))
_TOLD = frozenset({b"location", b"etag", b"link", b"preference-applied"})

Find = Callable[[str], Route]
# Written with an escape it is no reference.
_MEMBER = f'"{references.MEMBER}"'.encode()
_STRICT = ConfigDict(strict=True, extra="forbid")
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,59}$")]


@with_config(_STRICT)
class _Written(TypedDict):
    name: NotRequired[_Name]
    method: Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
    path: Annotated[str, Field(pattern="^/")]
    body: NotRequired[Any]
    headers: NotRequired[dict[str, str]]


@dataclass(slots=True)
class Operation:
    """One request of a batch, as it was written."""

    place: int
    method: str
    path: str
    name: str = ""
    body: Any = NONE
    headers: dict[bytes, bytes] = field(default_factory=dict)
    refers: bool = False

    @property
    def pointer(self) -> str:
        return f"/operations/{self.place}"

    def placed(self, fault: Fault) -> Fault:
        """The fault with the operation's place in the body."""
        own = fault.errors or (Problem("", fault.code, fault.detail or fault.title),)
        problems = []
        for problem in own:
            if problem.pointer.startswith(self.pointer):
                problems.append(problem)
            elif problem.pointer.startswith("?"):
                detail = f"{problem.pointer}: {problem.detail}"
                problems.append(Problem(f"{self.pointer}/path", problem.code, detail))
            else:
                inner = f"/body{problem.pointer}" if problem.pointer else ""
                problems.append(Problem(self.pointer + inner, problem.code, problem.detail))
        return fault.told(f"operation {self.place}: {fault.detail or fault.title}", problems)


def _problem(model: Model | None, row: Any, prefix: tuple[str, ...]) -> Problem:
    place = row["loc"]
    if row["type"] == "extra_forbidden":
        known = ("operations", "atomic") if len(place) == 1 else _Written.__annotations__
        return unknown_member(place, known)
    return problem_of(model, row, prefix)


class Batch:
    """Answers POST of the batch."""

    def __init__(self, pipeline: Pipeline, settings: Settings, find: Find, writes: Writes) -> None:
        self.writes = writes
        self.uniform = Uniform(pipeline, settings, writes, self._posted)
        self.pipeline = pipeline
        self.settings = settings
        self.find = find

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        """What checks a body: made for the first batch, as many an app never gets one."""
        make: Any = TypedDict
        listed = Annotated[list[_Written], Field(max_length=self.settings.max_operations)]
        body = make("Batch", {"operations": listed, "atomic": NotRequired[bool]})
        return TypeAdapter(with_config(_STRICT)(body))

    async def answer(self, request: Request) -> Answer:
        """The results of all operations, in order."""
        check_content(request.headers, (JSON,))
        body = await request.body(self.settings)
        refers = _MEMBER in body
        results = None if refers else await self.uniform.results(request, body)
        if not results:
            given = self._read(body)
            operations = _operations(given["operations"], refers)
            way = self._atomic if given.get("atomic", True) else self._apart
            answers = await way(request, operations) if results is None else None
            if answers is None:
                answers = await self.pipeline.whole(
                    lambda unit: self._in_turn(request, operations, unit), request.unit
                )
            results = [*map(_result, answers)]
        told = b",".join(results)
        return Answer(200, b'{"results":[' + told + b"]}", not request.actor.anonymous)

    async def _atomic(
        self, request: Request, operations: Sequence[Operation]
    ) -> list[Answer] | None:
        """All of them or none; None where they must go in turn."""
        most, each = self.settings.max_batch, self.writes.create_each
        gathered = Gathered(self.pipeline, self.prepared, each, request, operations, most)
        return await gathered.answers()

    def _read(self, body: bytes) -> Any:
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            raise body_fault(None, error, _problem) from None

    async def _in_turn(
        self, request: Request, operations: Sequence[Operation], unit: Unit
    ) -> list[Answer]:
        """One after the other; the first that is refused has all undone."""
        seen, in_time = Seen(operations), self._watch()
        answers = []
        for operation in operations:
            try:
                in_time()
                inner, handler = self.prepared(request, operation, seen.look)
                inner.unit = unit
                answer = await handler(inner)
            except Fault as fault:
                raise operation.placed(fault) from fault
            if len(unit.written) > self.settings.max_batch:
                detail = f"a batch may write {self.settings.max_batch} records"
                raise operation.placed(Invalid(detail, code="too_many_records"))
            seen.add(operation, answer)
            answers.append(answer)
        return answers

    async def _apart(self, request: Request, operations: Sequence[Operation]) -> list[Answer]:
        """Each on its own, whatever comes of the others."""
        if request.unit is not None:
            detail = "operations on their own can't be done once: leave the Idempotency-Key out"
            raise Invalid(detail, errors=[Problem("/atomic", "not_atomic", detail)])
        seen, in_time = Seen(operations), self._watch()
        answers = []
        for operation in operations:
            try:
                in_time()
                inner, handler = self.prepared(request, operation, seen.look)
                answer = await handler(inner)
                seen.add(operation, answer)
            except Fault as fault:
                problem = orjson.dumps(operation.placed(fault).as_dict())
                answer = Answer(fault.status, problem, private=True)
            answers.append(answer)
        return answers

    def _watch(self) -> Callable[[], None]:
        """Raises once the batch has had its time: on SQLite others can't write meanwhile."""
        seconds = self.settings.batch_timeout
        until = clock.monotonic() + seconds

        def in_time() -> None:
            if seconds and clock.monotonic() > until:
                detail = "the operations before this one took too long"
                raise Invalid(detail, code="query_timeout", hint="send fewer of them at once")

        return in_time

    def _posted(self, request: Request, path: str) -> Request:
        """The request of a new record, as one of the batch's operations."""
        asked, _ = self.prepared(request, Operation(0, "POST", path), Seen(()).look)
        return asked

    def prepared(
        self, request: Request, operation: Operation, look: references.Look
    ) -> tuple[Request, Any]:
        """The operation as a request of its own, and what answers it."""
        pointer, path = operation.pointer, operation.path
        if operation.refers:
            room = references.Room(self.settings.max_url_bytes)
            path = references.in_path(path, look, f"{pointer}/path", room)
        if len(path) > self.settings.max_url_bytes:
            raise UriTooLong(f"path and query may have {self.settings.max_url_bytes} bytes")
        target, _, query = path.removeprefix("/").partition("?")
        route = self.find(_encoded(target))
        handler = None if route.model is BATCH else route.handlers.get(operation.method)
        if handler is None:
            raise MethodNotAllowed(f"{operation.method} of {operation.path[:80]} isn't taken")
        body = b""
        if operation.method in _TAKES_BODY and operation.body is not NONE:
            value = operation.body
            if operation.refers:
                room = references.Room(self.settings.max_body_bytes)
                value = references.in_body(value, look, f"{pointer}/body", room)
            body = to_json(value, inf_nan_mode="constants")
        media = MERGE_PATCH if operation.method == "PATCH" else JSON
        headers = {b"content-type": media.encode(), **operation.headers}
        inner = Request(
            operation.method,
            route.model,
            route.key,
            _encoded(query).encode(),
            headers,
            request.actor,
            request.root,
            place=route.place,
            given=body,
        )
        if preferences.HEADER in headers:
            inner.prefer = preferences.preferences(headers[preferences.HEADER])
            return inner, lambda asked: preferences.served(asked, handler)
        return inner, handler


class Seen:
    """What the operations so far were answered, as far as others refer to it."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._named: set[str] = set()
        for operation in operations:
            if operation.refers:
                self._named |= references.named(operation.path, operation.body)
        self._answers: dict[str, Any] = {}

    def add(self, operation: Operation, answer: Answer) -> None:
        if operation.name in self._named:
            self._answers[operation.name] = orjson.loads(answer.body) if answer.body else None

    def look(self, reference: references.Reference) -> Any:
        return references.walk(self._answers[reference.name], reference.steps)


def _operations(given: Sequence[Any], referring: bool) -> list[Operation]:
    """The operations; faults of all of them are told at once."""
    problems: list[Problem] = []
    names: set[str] = set()
    operations = []
    for place, row in enumerate(given):
        name = row.get("name", "")
        if name and name in names:
            detail = f"two operations are called {name}"
            problems.append(Problem(f"/operations/{place}/name", "repeated_name", detail))
        names.add(name)
        headers = {key.lower(): value for key, value in row.get("headers", {}).items()}
        for key, value in headers.items():
            pointer = f"/operations/{place}/headers/{key}"
            if key not in _HEADERS:
                detail = f"an operation takes {', '.join(_HEADERS)}"
                problems.append(Problem(pointer, "unknown_header", detail))
            elif not value.isascii():
                problems.append(Problem(pointer, "bad_value", "headers are ASCII"))
        sent = {key.encode(): value.encode("utf-8") for key, value in headers.items()}
        operations.append(
            Operation(
                place,
                row["method"],
                row["path"],
                name,
                row.get("body", NONE),
                sent,
                refers=referring or "{" in row["path"],
            )
        )
    if problems:
        raise Invalid(summary(problems), errors=problems)
    return operations


def _encoded(text: str) -> str:
    """What isn't ASCII percent-encoded, as in a request's line."""
    return text if text.isascii() else quote(text, safe=_ASCII)


def _result(answer: Answer) -> bytes:
    told = {name.decode(): value.decode("latin-1") for name, value in answer.extra if name in _TOLD}
    head = b'{"status":%d,"headers":%b,"body":' % (answer.status, orjson.dumps(told))
    return head + (answer.body or b"null") + b"}"
