"""What stands below a record's path, by the switches of its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from abaft.api.openapi_answers import ETAG, parameter
from abaft.api.openapi_parameters import Parameters
from abaft.api.openapi_refs import ref, written_key
from abaft.api.request import JSON
from abaft.base.settings import Settings
from abaft.model.schemas import taken
from abaft.model.spec import Model

Operation = dict[str, Any]
WRITING = (parameter("Prefer"), parameter("Idempotency-Key"))


@dataclass(frozen=True, slots=True)
class Tools:
    """What makes an operation, the answer of a change, and problems."""

    operation: Callable[..., Operation]
    changed: Callable[[], Operation]
    problems: Callable[..., Operation]


def below(
    model: Model, settings: Settings, parameters: Parameters, tools: Tools
) -> dict[str, Operation]:
    """The paths after a record's."""
    made = _Below(model, settings, parameters, tools)
    found: dict[str, Operation] = {}
    if model.soft_delete:
        found["restore"] = {"post": made.restore()}
    if model.order:
        found["move"] = {"post": made.move()}
    if model.history:
        number = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
        path = {"name": "version", "in": "path", "required": True, "schema": number}
        path |= {"description": "The version's number"}
        found["history"] = {"get": made.versions()}
        found["history/{version}"] = {"parameters": [path], "get": made.version()}
        found["history/{version}/restore"] = {"parameters": [path], "post": made.go_back()}
    for row in found.values():
        row["parameters"] = [*parameters.key(), *row.get("parameters", [])]
    return found


class _Below:
    def __init__(
        self, model: Model, settings: Settings, parameters: Parameters, tools: Tools
    ) -> None:
        self.model, self.settings = model, settings
        self.parameters, self.tools = parameters, tools

    def restore(self) -> Operation:
        said = "Undoes a delete, and that of what went along."
        return self.tools.operation("restore", "delete", self.model.name, said) | self._changing()

    def move(self) -> Operation:
        said = "To another place in its list."
        key = written_key(self.model, taken)
        ways: list[dict[str, Any]] = [
            {"before": key},
            {"after": key},
            {"to": {"type": "string", "enum": ["first", "last"]}},
        ]
        bodies = [
            {
                "type": "object",
                "properties": way,
                "required": list(way),
                "additionalProperties": False,
            }
            for way in ways
        ]
        content = {JSON: {"schema": {"oneOf": bodies}, "example": {"to": "last"}}}
        made = self.tools.operation("move", "update", self.model.name, said) | self._changing()
        made["responses"] |= self.tools.problems(413, 415)
        return {**made, "requestBody": {"required": True, "content": content}}

    def versions(self) -> Operation:
        said = "The versions that may be read, newest first."
        most = self.settings.max_limit
        limit = {"type": "integer", "minimum": 1, "maximum": most}
        limit["default"] = min(self.settings.default_limit, most)
        asked = [
            {"name": "limit", "in": "query", "description": "Versions on a page.", "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "description": "`next` of the page before.",
                "schema": {"type": "string"},
            },
        ]
        return self._reading("history_of", said, asked, self._page())

    def version(self) -> Operation:
        said = "The record as it was."
        return self._reading("version_of", said, [], ref(f"{self.model.name}.Part"))

    def go_back(self) -> Operation:
        said = "An update by the values that the record had in this version."
        made = self.tools.operation("go_back_to_version_of", "update", self.model.name, said)
        return made | self._changing()

    def _changing(self) -> Operation:
        return {
            "parameters": [*self.parameters.shape(), parameter("If-Match"), *WRITING],
            "responses": self.tools.changed() | self.tools.problems(404, 406, 409, 412, 422),
        }

    def _reading(self, verb: str, said: str, asked: list[Any], schema: Any) -> Operation:
        ok = {"description": said, "content": {JSON: {"schema": schema}}, "headers": {"ETag": ETAG}}
        return self.tools.operation(verb, "read", self.model.name, said) | {
            "parameters": asked,
            "responses": {"200": ok} | self.tools.problems(404, 406, 422),
        }

    def _page(self) -> dict[str, Any]:
        text = {"type": "string"}
        actions = ["create", "update", "delete", "baseline"]
        version = {
            "type": "object",
            "properties": {
                "version": {"type": "integer", "minimum": 0},
                "at": {**text, "format": "date-time"},
                "actor": {**text, "description": "Who made it"},
                "action": {**text, "enum": actions},
                "changed": {
                    "type": "array",
                    "items": text,
                    "description": "What differs from the version before it that may be read",
                },
            },
            "required": ["version", "at", "actor", "action", "changed"],
            "additionalProperties": False,
        }
        following = {"type": ["string", "null"], "description": "The cursor of the next page"}
        return {
            "type": "object",
            "properties": {"items": {"type": "array", "items": version}, "next": following},
            "required": ["items", "next"],
            "additionalProperties": False,
        }
