"""Components of the document have names of their own, whatever models and classes are called."""

from __future__ import annotations

import json
from typing import Any

from openapi_spec_validator import validate
from pydantic import BaseModel, create_model

from abaft import App, Ref, Settings
from apps.open import Open

PLACE = "#/components/schemas/"


def sized(**members: Any) -> type[BaseModel]:
    return create_model("Size", **members)


Wide, Tall = sized(width=(int, ...)), sized(height=(int, ...))
Record = create_model("Tome", inner=(Wide, ...))
Note = create_model("Note", text=(str, ...))


class Tome(Open):
    """A model that is called like a class in another's JSON field."""

    size: Wide  # type: ignore[valid-type]


class TomePart(Open):
    """Its name is that of a part of a Tome."""

    of: Ref[Tome]
    size: Tall  # type: ignore[valid-type]
    whole: Record  # type: ignore[valid-type]


class TomeCreate(Open):
    size: Wide  # type: ignore[valid-type]
    note: Note  # type: ignore[valid-type]


class Problem(Open):
    text: str


class Batch(Open):
    text: str


class BatchResults(Open):
    text: str


MODELS = (Tome, TomePart, TomeCreate, Problem, Batch, BatchResults)


def document() -> dict[str, Any]:
    app = App(*MODELS, settings=Settings(database="sqlite:///unused.db"), sinks=[])

    @app.post("/tome")
    def tome(body: Record, note: Note) -> Tome:  # type: ignore[valid-type]
        raise NotImplementedError

    whole: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return whole


def body(whole: dict[str, Any], path: str, method: str) -> Any:
    content = whole["paths"][path][method]["requestBody"]["content"]["application/json"]
    return content["schema"]


def schema(whole: dict[str, Any], place: str) -> Any:
    return whole["components"]["schemas"][place.removeprefix(PLACE)]


def test_models_may_be_called_like_components() -> None:
    whole = document()
    validate(whole)
    schemas = whole["components"]["schemas"]
    for model in MODELS[1:]:
        assert "id" in schemas[model.__name__]["properties"], model
    create = body(whole, "/api/tomes", "post")["anyOf"][0]["$ref"]
    assert create == f"{PLACE}Tome.Create"
    assert schema(whole, create)["required"] == ["size"]
    assert body(whole, "/api/batch", "post") == {"$ref": f"{PLACE}abaft.Batch"}
    refused = whole["components"]["responses"]["NotFound"]["content"]["application/problem+json"]
    assert refused["schema"] == {"$ref": f"{PLACE}abaft.Problem"}


def test_what_an_endpoint_of_the_users_takes_keeps_its_name() -> None:
    whole = document()
    taken = schema(whole, body(whole, "/tome", "post")["$ref"])["properties"]
    assert taken["body"] == {"$ref": f"{PLACE}Tome"}
    assert schema(whole, f"{PLACE}Tome")["required"] == ["inner"]
    answer = whole["paths"]["/tome"]["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": f"{PLACE}Tome.Record"}
    assert "id" in schema(whole, f"{PLACE}Tome.Record")["properties"]


def test_classes_of_the_same_name_are_apart_and_the_same_class_is_one() -> None:
    schemas = document()["components"]["schemas"]
    wide, tall = (
        schemas[name]["properties"]["size"]["$ref"] for name in ("Tome.Record", "TomePart")
    )
    assert wide != tall
    assert list(schemas[wide.removeprefix(PLACE)]["properties"]) == ["width"]
    assert list(schemas[tall.removeprefix(PLACE)]["properties"]) == ["height"]
    inner = schemas["TomePart"]["properties"]["whole"]["$ref"]
    assert list(schemas[inner.removeprefix(PLACE)]["properties"]) == ["inner"]
    # What an endpoint shows of the same class is the same.
    assert schemas["TomeCreate"]["properties"]["note"]["$ref"] == f"{PLACE}Note"
    assert [name for name in schemas if name.startswith("Note")] == ["Note"]
