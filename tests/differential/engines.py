"""An engine with its database open: loads worlds and answers questions by the pipeline."""

import asyncio
import json
from typing import Any

from abaft import Actor, App, Settings
from abaft.api import cursor
from abaft.base.actor import SYSTEM
from abaft.guard.sign import Signer
from abaft.plan.resolve import picks
from abaft.plan.types import ReadIntent, ReadShape
from asking import emptied
from differential.models import MODELS, Tagging
from differential.questions import Question
from differential.worlds import World
from in_process import Answer, ask
from scenarios import ByHeader

SIGNER = Signer((b"k" * 32,))


class Engine:
    """One database and what asks it, on an event loop that waits between questions."""

    def __init__(self, name: str, url: str, models: tuple[type[Any], ...] = MODELS) -> None:
        self.name = name
        self.models = models
        # A quick machine asks more than an account may, and would be told so instead.
        settings = Settings(database=url, account_requests_per_minute=10_000_000)
        self.app = App(*models, settings=settings, sinks=(), authenticators=[ByHeader()])
        self.runner = asyncio.Runner()
        self.runner.run(self.app.start())
        self.pipeline = self.app.pipeline

    def close(self) -> None:
        self.runner.run(self.app.stop())
        self.runner.close()

    def load(self, world: World) -> None:
        """Empties the database and stores the world."""
        self.runner.run(self._load(world))

    async def _load(self, world: World) -> None:
        tables = [model.__spec__.table for model in reversed(self.models)]
        await emptied(self.app.db(SYSTEM), *tables)
        links = [
            Tagging(thing=thing, tag=tag)
            for thing in world.things
            for tag in (thing.tags if world.tags else ())
        ]
        async with self.app.db(SYSTEM).transaction() as db:
            for records in (world.people, world.places, world.tags, world.things, links):
                await db.create_many(records)

    def get(self, target: str, actor: Actor) -> Answer:
        """What a client is answered that comes as this actor."""
        said = f"Test {actor.id or ''} {' '.join(actor.roles)}".strip().encode()
        headers = [] if actor.anonymous else [(b"authorization", said)]
        return self.runner.run(ask(self.app, "GET", target.encode(), headers))

    def ask(self, question: Question) -> list[Any]:
        """The documents of all pages, one after the other."""
        return self.runner.run(self._ask(question))

    def count(self, question: Question) -> int:
        shape = ReadShape("Thing", "count", question.where)
        read = self.pipeline.read(ReadIntent(shape, question.values), question.actor)
        return int(self.runner.run(read).rows[0][0])

    async def _ask(self, question: Question) -> list[Any]:
        model = self.app.schema.models["Thing"]
        expand = tuple(".".join(path) for path in question.expand)
        pick = picks(self.app.schema, model, None, expand, 4)
        found: list[Any] = []
        after: list[Any] | None = None
        while True:
            nulls = None if after is None else tuple(value is None for value in after)
            shape = ReadShape("Thing", "page", question.where, question.sort, pick, nulls)
            bound = {f"after{place}": value for place, value in enumerate(after or ())}
            values = {**question.values, "limit": question.limit + 1, **bound}
            answer = await self.pipeline.read(ReadIntent(shape, values), question.actor)
            page = answer.rows[: question.limit]
            found += [read_json(row[0]) for row in page]
            if len(answer.rows) <= question.limit:
                return found
            after = _through_a_cursor(answer, page[-1])


def _through_a_cursor(answer: Any, row: Any) -> list[Any]:
    """The order's values of a row, as they come back by a cursor."""
    orders = answer.plan.orders
    values = [
        value if decode is None or value is None else decode(value)
        for value, decode in zip(row[1 : len(orders) + 1], answer.decoders, strict=True)
    ]
    return cursor.decode(SIGNER, "mark", orders, cursor.encode(SIGNER, "mark", orders, values))


def read_json(text: str | bytes) -> Any:
    """JSON as a client reads it: whatever is no integer of 64 bits is a double."""
    return json.loads(text, parse_int=_number)


def _number(text: str) -> int | float:
    value = int(text)
    return value if -(2**63) <= value < 2**63 else float(value)
