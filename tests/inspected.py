"""Models that `abaft inspect` wrote, and a walk through everything that they serve."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from jsonschema_rs import validator_for
from typer.testing import CliRunner

from abaft import Model
from abaft.cli import cli
from abaft.model import spec
from existing import fetch, run
from scenarios import Api

_COUNT = itertools.count()

# Keys that the scripts gave by hand: the sequences go on after them, as a loader would have it.
FOLLOW = """
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT c.oid::regclass AS t, a.attname AS a FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind = 'r'
            AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL
    LOOP EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), max(%I) + 1) FROM %s',
        r.t::text, r.a, r.a, r.t); END LOOP; END $$;
"""


async def make(url: str, script: str) -> None:
    await run(url, script)
    if url.startswith("postgres"):
        await run(url, FOLLOW)


async def written(url: str, *options: str) -> str:
    """What the command writes; it has a loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, ["inspect", url, *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def imported(text: str, folder: Path) -> ModuleType:
    """The module of this text."""
    name = f"inspected_{next(_COUNT)}"
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def models_of(module: ModuleType) -> list[type[Model]]:
    """The models that the module's application serves."""
    return [model.cls for model in module.app.schema.models.values()]


class Walk:
    """Reads all that an application serves, in every way, and holds the answers together."""

    def __init__(self, api: Api, url: str) -> None:
        self.api = api
        self.url = url
        self.wrong: list[str] = []

    def expect(self, holds: bool, said: str) -> None:
        if not holds:
            self.wrong.append(said)

    async def json(self, path: str) -> Any:
        response = await self.api.ask(f"GET {path}", "admin")
        if response.status_code != 200:
            self.wrong.append(f"GET {path}: {response.text}")
            return {}
        return response.json()

    async def everything(self) -> None:
        self.document = await self.json("/openapi.json")
        for model in self.api.app.schema.collections.values():
            if model.name != "User":
                await self.model(model)
        assert not self.wrong, "\n".join(self.wrong)

    async def model(self, model: spec.Model) -> None:
        base = f"/api/{model.collection}"
        records = (await self.json(f"{base}?limit=200&count=exact")).get("items", [])
        place = ".".join(
            f'"{part}"' for part in (model.schema, model.table.replace('"', '""')) if part
        )
        [(count,)] = await fetch(self.url, f"select count(*) from {place}")
        self.expect(len(records) == count, f"{base}: {len(records)} of {count}")
        schema = {"$ref": f"#/components/schemas/{model.name}"}
        valid = validator_for(self.document | schema)
        for record in records:
            faults = [error.message for error in valid.iter_errors(record)]
            self.expect(not faults, f"{base}: {record} isn't as OpenAPI says: {faults}")
            path = f"{base}/{self.key(model, record)}"
            self.expect(await self.json(path) == record, f"{path} is other than in the list")
        for name, field in model.fields.items():
            if field.kind.ordered and not field.hidden:
                await self.sorted(base, model, field, records)
                await self.filtered(base, model, name, records)
        for name in (*model.one, *model.many):
            await self.json(f"{base}?expand={name}&limit=200")
        if not model.read_only:
            await self.put_back(base, model, records, place)

    def key(self, model: spec.Model, record: dict[str, Any]) -> str:
        return ",".join(quote(self.spelt(record[name]), safe="") for name in model.key)

    def spelt(self, value: Any) -> str:
        return ("true" if value else "false") if isinstance(value, bool) else str(value)

    async def sorted(
        self, base: str, model: spec.Model, field: spec.Field, records: list[Any]
    ) -> None:
        """Both ways, in pages of two: every record once, in order, and null where it belongs."""
        for sign in ("", "-"):
            found: list[Any] = []
            cursor = ""
            while len(found) <= len(records):
                page = await self.json(f"{base}?sort={sign}{field.name}&limit=2{cursor}")
                if not page:
                    return
                found += page["items"]
                if page["next"] is None:
                    break
                cursor = f"&cursor={page['next']}"
            keys = [self.key(model, record) for record in found]
            whole = sorted(self.key(model, record) for record in records)
            self.expect(sorted(keys) == whole, f"{base}?sort={sign}{field.name}: {keys}")
            values = [record[field.name] for record in found]
            filled = [self.place(field, value) for value in values if value is not None]
            nulls = [None] * values.count(None)
            ordered = sorted(filled, reverse=bool(sign))
            self.expect(filled == ordered, f"{base}?sort={sign}{field.name}: {values}")
            ends = values[: len(nulls)] if sign else values[len(filled) :]
            self.expect(ends == nulls, f"{base}?sort={sign}{field.name}: nulls in {values}")

    def place(self, field: spec.Field, value: Any) -> Any:
        """The value in Python's order, which is that of code points."""
        if field.kind.name == "decimal":
            return Decimal(value)
        if field.kind.name in ("datetime", "time", "duration"):
            return field.kind.read(value)
        return value.translate({c: c + 32 for c in range(65, 91)}) if field.nocase else value

    async def filtered(self, base: str, model: spec.Model, name: str, records: list[Any]) -> None:
        for value in {
            self.spelt(r[name]): r[name] for r in records if r[name] is not None
        }.values():
            page = await self.json(
                f"{base}?{name}[eq]={quote(self.spelt(value), safe='')}&limit=200"
            )
            wanted = [record for record in records if record[name] == value]
            found = page.get("items", [])
            fits = all(record in found for record in wanted)
            if not model.fields[name].nocase:
                fits = fits and len(found) == len(wanted)
            self.expect(fits, f"{base}?{name}={value!r}: {len(found)} of {len(wanted)}")

    async def put_back(self, base: str, model: spec.Model, records: list[Any], place: str) -> None:
        """What was read, written back: not a byte of the table has changed."""
        before = await fetch(self.url, f"select * from {place}")
        for record in records:
            # Of text in several layouts one is written.
            fields = [
                field
                for field in model.fields.values()
                if field.writable
                and not field.write_once
                and (field.kind.name, field.kind.stored) != ("datetime", "text")
            ]
            body = {field.name: record[field.name] for field in fields}
            path = f"{base}/{self.key(model, record)}"
            response = await self.api.ask(f"PATCH {path}", "admin", json=body)
            same = response.status_code == 200 and response.json() == record
            self.expect(same, f"PATCH {path}: {response.text} for {record}")
        after = await fetch(self.url, f"select * from {place}")
        self.expect(_bag(after) == _bag(before), f"{place} has changed: {before} {after}")


def _bag(rows: list[Any]) -> list[str]:
    return sorted(str([_plain(value) for value in row]) for row in rows)


def _plain(value: Any) -> Any:
    """The value without what means nothing: zeros after a number, the order of JSON's members, and
    the spaces between."""
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, str) and value[:1] in ("{", "["):
        return sorted(value.replace(" ", ""))
    return value
