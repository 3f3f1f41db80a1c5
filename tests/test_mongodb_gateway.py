"""The tests' own MongoDB answers as one does: logins, cursors, transactions, codes and labels."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from bson import Int64
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError, ExecutionTimeout, OperationFailure, WriteError

from conftest import LEFT_OUT, chosen_engines
from servers.documentdb import DocumentDb, DocumentDbMissing

pytestmark = pytest.mark.slow
Client = AsyncMongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def engine_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if "mongodb" not in chosen_engines(request.config):
        pytest.skip("--engine leaves MongoDB out")
    with ExitStack() as stack:
        try:
            found = stack.enter_context(DocumentDb("ann", "secret"))
        except DocumentDbMissing as missing:
            pytest.skip(f"{LEFT_OUT}DocumentDB isn't in {missing}: script/test puts it there")
        yield found.url


@pytest.fixture
async def client(engine_url: str) -> AsyncIterator[Client]:
    async with AsyncMongoClient(engine_url) as client:
        await client.drop_database("t")
        yield client


async def test_who_has_no_password_gets_nowhere(engine_url: str) -> None:
    for address in (engine_url.replace("secret", "other"), engine_url.replace("ann:secret@", "")):
        async with AsyncMongoClient(address) as client:
            with pytest.raises(OperationFailure) as refused:
                await client.t.a.insert_one({})
            assert refused.value.code in (13, 18)


async def test_cursors_go_on_and_are_killed(client: Client) -> None:
    await client.t.a.insert_many({"_id": n} for n in range(250))
    cursor = client.t.a.find({}, batch_size=7).sort("_id", -1)
    assert [row["_id"] async for row in cursor] == [*range(249, -1, -1)]
    left = client.t.a.find({}, batch_size=7)
    await anext(left)
    number = left.cursor_id
    await left.close()
    with pytest.raises(OperationFailure) as gone:
        await client.t.command({"getMore": Int64(number or 0), "collection": "a"})
    assert gone.value.code == 43


async def test_codes_are_those_of_mongodb(client: Client) -> None:
    rules = {"$jsonSchema": {"required": ["text"]}}
    await client.t.create_collection("a", validator=rules)
    await client.t.a.create_index("text", unique=True, name="one")
    await client.t.a.insert_one({"text": "x"})
    with pytest.raises(DuplicateKeyError):
        await client.t.a.insert_one({"text": "x"})
    with pytest.raises(WriteError) as invalid:
        await client.t.a.insert_one({})
    assert invalid.value.code == 121
    with pytest.raises(OperationFailure) as unknown:
        await client.t.command("nothing")
    assert unknown.value.code == 59
    with pytest.raises(OperationFailure) as wrong:
        await client.t.a.find_one({"$odd": 1})
    assert wrong.value.code == 2
    assert set(await client.t.a.index_information()) == {"_id_", "one"}


async def test_a_transaction_is_whole_and_alone(client: Client) -> None:
    counts = client.t.counts
    await counts.insert_one({"_id": 1, "n": 0})
    async with client.start_session() as one, client.start_session() as other:
        await one.start_transaction()
        await counts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=one)
        assert (await counts.find_one({}, session=one) or {})["n"] == 1
        assert (await counts.find_one({}) or {})["n"] == 0
        await other.start_transaction()
        assert (await counts.find_one({}, session=other) or {})["n"] == 0
        await one.commit_transaction()
        with pytest.raises(OperationFailure) as conflict:
            await counts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=other)
        assert conflict.value.code == 112
        assert conflict.value.has_error_label("TransientTransactionError")
        await other.abort_transaction()
        await one.start_transaction()
        await counts.delete_many({}, session=one)
        await one.abort_transaction()
    assert (await counts.find_one({}) or {})["n"] == 1


async def test_an_error_ends_a_transaction(client: Client) -> None:
    await client.t.a.insert_one({"_id": 1})
    async with client.start_session() as session:
        await session.start_transaction()
        await client.t.a.insert_one({"_id": 2}, session=session)
        with pytest.raises(DuplicateKeyError):
            await client.t.a.insert_one({"_id": 1}, session=session)
        with pytest.raises(OperationFailure) as over:
            await client.t.a.find_one({}, session=session)
        assert over.value.code == 251
    assert await client.t.a.count_documents({}) == 1


async def test_time_limits_hold(client: Client) -> None:
    await client.t.a.insert_one({"_id": 1})
    async with client.start_session() as session:
        await session.start_transaction()
        await client.t.a.update_one({"_id": 1}, {"$set": {"x": 1}}, session=session)
        with pytest.raises(ExecutionTimeout):
            await client.t.a.find_one_and_update({"_id": 1}, {"$set": {"x": 2}}, maxTimeMS=200)
        await asyncio.sleep(0)
        await session.abort_transaction()


async def test_plans_are_told(client: Client) -> None:
    await client.t.a.insert_one({"_id": 1})
    told = await client.t.command({"explain": {"find": "a", "filter": {"_id": 1}}})
    assert "Plan" in str(told["queryPlanner"]["winningPlan"])
