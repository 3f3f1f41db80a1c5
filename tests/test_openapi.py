"""The OpenAPI document: what it promises, what it says of a user's own endpoints, and /docs.

`ABAFT_GOLDEN=1 pytest tests/test_openapi.py` renews tests/golden/openapi.json.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema_rs import validator_for
from openapi_spec_validator import validate
from pydantic import BaseModel

from abaft import App, Me, Model, Settings, allow, field
from apps.everything import MODELS, Ann, Book, Size, make_app
from apps.parcels import Heavy, Parcel

PLACE = "#/components/schemas/"
GOLDEN = Path(__file__).parent / "golden" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = make_app("sqlite:///unused.db", Parcel, Heavy)
    whole: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return whole


def test_the_document_is_as_it_was(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("ABAFT_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), __doc__


@pytest.mark.slow
def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    validate(document)


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_reference_leads_somewhere_and_every_component_is_referred_to(
    document: dict[str, Any],
) -> None:
    made = {
        f"#/components/{kind}/{name}"
        for kind, rows in document["components"].items()
        if kind != "securitySchemes"
        for name in rows
    }
    assert references(document) - made == set()
    # Shared responses stand ready for a user's endpoints too.
    unused = {name for name in made - references(document) if "/responses/" not in name}
    assert unused == set()


def test_every_schema_is_a_schema_and_operations_have_names_of_their_own(
    document: dict[str, Any],
) -> None:
    for name, schema in document["components"]["schemas"].items():
        validator_for({**schema, "components": document["components"]})
        assert schema.get("type") == "object", name
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    assert len(operations) == len(set(operations))


def test_a_custom_endpoint_refers_to_the_model(document: dict[str, Any]) -> None:
    answer = document["paths"]["/feed"]["get"]["responses"]["200"]
    items = answer["content"]["application/json"]["schema"]["items"]
    assert items == {"$ref": "#/components/schemas/Book"}


def test_elsewhere_a_model_is_shown_in_place() -> None:
    make_app("sqlite:///unused.db")
    other = FastAPI()

    @other.get("/books")
    def books() -> list[Book]:
        return []

    answer = other.openapi()["paths"]["/books"]["get"]["responses"]["200"]
    items = answer["content"]["application/json"]["schema"]["items"]
    assert items["properties"]["title"] == {"type": "string"}


class Branch(BaseModel):
    """One that holds itself."""

    twigs: list[Branch]


class Tree(Model):
    trunk: Branch | None = None
    size: Size | None = None


def test_elsewhere_a_json_field_is_shown_in_place_as_well() -> None:
    App(Tree, sinks=[])
    other = FastAPI()

    @other.get("/trees")
    def trees() -> list[Tree]:
        return []

    whole = other.openapi()
    answer = whole["paths"]["/trees"]["get"]["responses"]["200"]
    shown = answer["content"]["application/json"]["schema"]["items"]["properties"]
    assert list(shown["size"]["anyOf"][0]["properties"]) == ["width", "height", "unit"]
    assert shown["trunk"]["anyOf"][0]["properties"]["twigs"]["items"] == {}
    assert references(whole) == set()


def test_an_endpoint_on_a_path_of_ours_takes_its_place() -> None:
    app = App(*MODELS, database="sqlite:///unused.db", sinks=[])

    @app.get("/api/books/{number}")
    def book(number: str) -> str:
        return number

    paths = app.openapi()["paths"]
    assert "/api/books/{number}" in paths
    assert "/api/books/{id}" not in paths
    assert "/api/books" in paths


def test_what_is_hidden_is_never_shown(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["KindsCreate"]["properties"]["password"]["writeOnly"] is True
    assert "password" not in schemas["Kinds"]["properties"]
    listed = document["paths"]["/api/kinds"]["get"]["parameters"]
    shared = [name for name in document["components"]["parameters"] if name.startswith("Kinds.")]
    assert not any("password" in json.dumps(row) for row in [*listed, *shared])


def test_members_that_a_rule_may_hold_back_are_not_required(document: dict[str, Any]) -> None:
    book = document["components"]["schemas"]["Book"]
    assert "advance" in book["properties"]
    assert "advance" not in book["required"]
    assert "title" in book["required"]


def test_example_bodies_are_taken_as_they_stand(document: dict[str, Any]) -> None:
    app = make_app("sqlite:///unused.db", Parcel, Heavy)
    takers = {"post": "create", "patch": "patch", "put": "replace"}
    seen = 0
    for path, item in document["paths"].items():
        if path == "/api/batch" or path.endswith(("/restore", "/move")):
            continue
        for method in takers.keys() & item.keys():
            body = item[method]["requestBody"]["content"]["application/json"]
            model = app.schema.collections[path.split("/")[2]]
            validators = app.pipeline.validators[model.name]
            if model.name == "Filing" and method == "post":
                assert "example" not in body  # which records are there can't be guessed
                continue
            getattr(validators, takers[method])(json.dumps(body["example"]).encode())
            seen += 1
    written = [row for row in app.schema.collections.values() if not row.read_only]
    assert seen == 4 * len(written) - 1


def test_example_records_are_as_the_document_says(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shown = [name for name, schema in schemas.items() if f"{name}Part" in schemas]
    for name in shown:
        example = schemas[name]["examples"][0]
        part = {**schemas[f"{name}Part"], "components": document["components"]}
        assert list(validator_for(part).iter_errors(example)) == [], name
        # What Python adds can't be guessed.
        lacking = schemas[name]["required"] - example.keys()
        assert lacking <= {"area", "label", "anything", "size"}, name


def test_records_may_stand_in_the_place_of_keys_where_the_api_takes_them(
    document: dict[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    made, changed = schemas["BookCreate"]["properties"], schemas["BookPatch"]["properties"]
    assert references(made["author"]) == {f"{PLACE}UserCreate", f"{PLACE}UserKeyed"}
    assert references(made["genres"]) == references(made["filed"]) == {f"{PLACE}GenreCreate"}
    assert references(made["copies"]) == {f"{PLACE}CopyCreate.book"}
    assert "book" not in schemas["CopyCreate.book"]["properties"]
    assert list(changed["copies"]["properties"]) == ["create", "update", "delete", "link", "unlink"]
    assert list(changed["filed"]["properties"]) == ["create", "link", "unlink"]
    # A database counts these keys: an object with one names a record that is there.
    assert schemas["GenreKeyed"]["required"] == ["id"]
    for plain in ("BookPatchMany", "BookReplace", "BookOperators"):
        assert references(schemas[plain]) == set()
    many = document["paths"]["/api/books"]["patch"]["requestBody"]["content"]
    assert references(many["application/merge-patch+json"]) == {f"{PLACE}BookPatchMany"}


def test_groups_are_asked_for_where_there_are_groups(document: dict[str, Any]) -> None:
    path = document["paths"]["/api/books"]
    asked = {
        method: json.dumps(path[method]["parameters"]) for method in ("get", "patch", "delete")
    }
    for name in ("aggregate", "group", "having"):
        shown = document["components"]["parameters"][f"Book.by.{name}"]
        assert "enum" not in shown["schema"]
        assert [f"Book.by.{name}" in row for row in asked.values()] == [True, False, False]


def test_who_must_log_in_is_told(document: dict[str, Any]) -> None:
    books = document["paths"]["/api/books"]
    assert books["get"]["security"] == [{}, {"bearer": []}]
    assert books["post"]["security"] == [{"bearer": []}]
    assert "security" not in App(*MODELS, sinks=[]).openapi()["paths"]["/api/books"]["get"]


def test_a_composite_key_has_a_parameter_for_each_part(document: dict[str, Any]) -> None:
    path = document["paths"]["/api/shelves/{room},{number}"]
    assert [row["name"] for row in path["parameters"]] == ["room", "number"]


def test_limits_are_those_of_the_settings() -> None:
    settings = Settings(max_limit=7, max_sort_fields=2)
    app = App(*MODELS, settings=settings, sinks=[])
    rows = {
        row.get("name"): row for row in app.openapi()["paths"]["/api/books"]["get"]["parameters"]
    }
    assert rows["limit"]["schema"] | {"type": "integer"} == rows["limit"]["schema"]
    assert rows["limit"]["schema"]["maximum"] == rows["limit"]["schema"]["default"] == 7
    sort = app.openapi()["components"]["parameters"]["Book.by.sort"]
    assert sort["schema"]["maxItems"] == 2


@pytest.mark.slow
def test_a_document_grows_with_its_models_and_not_with_their_relations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Path(__file__).parent.parent / "examples" / "flights" / "app.py"
    found = spec_from_file_location("flights_example", place)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    monkeypatch.setitem(sys.modules, found.name, module)
    found.loader.exec_module(module)
    text = json.dumps(module.app.openapi(), separators=(",", ":"))
    assert len(text) < 400_000
    validate(json.loads(text))


def test_the_document_knows_endpoints_added_after_it_was_asked_for() -> None:
    app = App(*MODELS, sinks=[])
    assert "/late" not in app.openapi()["paths"]

    @app.get("/late")
    def late() -> None: ...

    assert "/late" in app.openapi()["paths"]
    assert app.openapi() is app.openapi()


class Word(Model):
    text: str = field(max_length=9)

    @allow("read")
    def everyone(word, me: Me) -> bool:
        return True


def words(tmp_path: Path, **options: Any) -> App:
    settings = Settings(database=f"sqlite:///{tmp_path}/test.db", **options)
    return App(Word, settings=settings, authenticators=[Ann()], sinks=[])


@asynccontextmanager
async def browsing(app: App, within: FastAPI | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(within or app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as browser:
        yield browser
    await app.stop()


async def test_docs_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with browsing(words(tmp_path)) as browser:
        page = await browser.get("/docs")
        policy = page.headers["content-security-policy"]
        assert "script-src 'nonce-" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "//" not in page.text.replace("<!doctype html>", "")
        loaded = [part.split('"')[0] for part in page.text.split('="')[1:] if "/docs/" in part]
        assert len(loaded) == 5
        for path in loaded:
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await browser.get("/docs/static/..%2fdocs.py")).status_code == 404
        assert (await browser.get("/docs/static/docs.py")).status_code == 404


async def test_docs_can_be_turned_off(tmp_path: Path) -> None:
    async with browsing(words(tmp_path, docs=False)) as browser:
        assert (await browser.get("/docs")).status_code == 404
        assert (await browser.get("/openapi.json")).status_code == 404
        assert (await browser.get("/api/words")).status_code == 200


async def test_docs_work_below_another_app(tmp_path: Path) -> None:
    outer = FastAPI()
    app = words(tmp_path)
    outer.mount("/inner", app)
    async with browsing(app, outer) as browser:
        page = (await browser.get("/inner/docs")).text
        assert 'data-document="/inner/openapi.json"' in page
        assert (await browser.get("/inner/docs/static/docs.js")).status_code == 200
        served = (await browser.get("/inner/openapi.json")).json()
        assert served["servers"] == [{"url": "/inner"}]


@pytest.mark.parametrize("accept", ["gzip", "zstd", "identity", "gzip;q=0, *;q=0.1"])
async def test_the_document_is_compressed_for_who_takes_that(accept: str, tmp_path: Path) -> None:
    app = make_app(f"sqlite:///{tmp_path}/test.db")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        plain = await client.get("/openapi.json", headers={"accept-encoding": "identity"})
        answers = [
            await client.get("/openapi.json", headers={"accept-encoding": accept}) for _ in range(2)
        ]
    for answer in answers:
        coding = accept if accept in ("gzip", "zstd") else None
        assert answer.headers.get("content-encoding") == coding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.content == plain.content, "decoded by the client"
        length = int(answer.headers["content-length"])
        assert length < len(plain.content) / 4 if coding else length == len(plain.content)


async def test_the_document_is_never_compressed_where_answers_arent(tmp_path: Path) -> None:
    settings = Settings(database=f"sqlite:///{tmp_path}/test.db", compress_from=0)
    transport = httpx.ASGITransport(App(*MODELS, settings=settings, sinks=()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/openapi.json", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
