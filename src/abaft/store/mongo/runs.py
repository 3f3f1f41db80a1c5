"""How pipelines are run: each by a command of its own, or several by one where that can be."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Any

from abaft.store.mongo.documents import Document
from abaft.store.mongo.template import Query

Do = Callable[[str, list[Query]], Coroutine[Any, Any, list[Document]]]

Keys = Mapping[Hashable, Any]
"""Keys of documents by what they are told apart by."""
Owners = tuple[str, Sequence[Any]]
"""A collection, and keys of documents there."""


def among(keys: list[Any]) -> Query:
    """The stage that leaves the documents of these keys."""
    return {"$match": {"_id": {"$eq": keys[0]} if len(keys) == 1 else {"$in": keys}}}


class Runs:
    """Runs pipelines on collections, one after the other: a transaction takes no two at once."""

    def __init__(self, do: Do) -> None:
        self._do = do

    async def __call__(self, collection: str, stages: list[Query]) -> list[Document]:
        return await self._do(collection, stages)

    async def keyed(self, collection: str, keys: Keys, rest: list[Query]) -> list[Document]:
        """What a pipeline makes of the documents of these keys, each for itself."""
        return await self._do(collection, [among([*keys.values()]), *rest])

    async def owned(
        self, collection: str, ties: Query, owners: Owners | None, rest: list[Query]
    ) -> list[Document]:
        """What a pipeline makes of the documents that lead to owners, in whose collection or none.

        `owners` are known where what leads to them is held to be there, as foreign keys are.
        """
        return await self._do(collection, [{"$match": ties}, *rest])

    async def several(
        self, shape: object, collection: str, pipelines: Sequence[list[Query]]
    ) -> list[list[Document]]:
        """What pipelines of few documents find; `shape` is the same for those that are alike."""
        return [await self._do(collection, stages) for stages in pipelines]
