"""The peer on MongoDB: FastAPI and pymongo's async client, the way their documentation has it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.write_concern import WriteConcern

from bench import data

Document = dict[str, Any]
client: AsyncMongoClient[Document] = AsyncMongoClient(
    os.environ["BENCH_DATABASE"], uuidRepresentation="standard", tz_aware=True
)
# As durable as the other server: every write is on disk before it is answered.
database: AsyncDatabase[Document] = client.get_default_database(
    write_concern=WriteConcern(w="majority", j=True)
)


class AuthorPublic(BaseModel):
    id: UUID = Field(validation_alias="_id")
    name: str
    email: str


class PostBase(BaseModel):
    title: str = Field(max_length=200)
    body: str
    views: int = Field(ge=0)
    published: bool


class PostCreate(PostBase):
    author_id: UUID


class PostUpdate(BaseModel):
    title: str | None = Field(default=None, max_length=200)
    body: str | None = None
    views: int | None = Field(default=None, ge=0)
    published: bool | None = None


class PostPublic(PostBase):
    id: UUID = Field(validation_alias="_id")
    author_id: UUID
    created: datetime


class PostWithAuthor(PostBase):
    id: UUID = Field(validation_alias="_id")
    author: AuthorPublic
    created: datetime


class AuthorCreate(BaseModel):
    name: str = Field(max_length=80)
    email: str = Field(max_length=120)
    posts: list[PostBase]


class AuthorWithPosts(AuthorPublic):
    posts: list[PostPublic]


class PostPage(BaseModel):
    items: list[PostPublic]
    count: int


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    for name in ("posts", "notes"):
        await database[name].create_index([("author_id", 1), ("created", -1)])
        await database[name].create_index([("created", -1)])
    yield
    await client.close()


bearer = HTTPBearer()


async def get_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    """The author a token stands for; both servers read it the same way, without the database."""
    kind, _, number = credentials.credentials.partition("-")
    if kind != "user" or not number.isdecimal():
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Invalid token")
    return data.author_id(int(number))


def now() -> datetime:
    """MongoDB keeps milliseconds."""
    found = datetime.now(UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def document(post: PostBase, author_id: UUID) -> Document:
    return {**post.model_dump(), "_id": uuid4(), "author_id": author_id, "created": now()}


async def author_exists(author_id: UUID) -> None:
    if await database.authors.find_one({"_id": author_id}, {"_id": 1}) is None:
        raise HTTPException(status.HTTP_409_CONFLICT, "There is no such author")


UserDep = Annotated[UUID, Depends(get_user)]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(lifespan=lifespan)


@app.get("/posts/{post_id}", response_model=PostPublic, response_model_by_alias=False)
async def read_post(post_id: UUID) -> Any:
    post = await database.posts.find_one({"_id": post_id})
    if post is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Post not found")
    return post


@app.get("/posts", response_model=list[PostWithAuthor], response_model_by_alias=False)
async def read_posts(created_before: datetime, limit: Limit = 20) -> Any:
    cursor = await database.posts.aggregate(
        [
            {"$match": {"created": {"$lt": created_before}}},
            {"$sort": {"created": -1}},
            {"$limit": limit},
            {
                "$lookup": {
                    "from": "authors",
                    "localField": "author_id",
                    "foreignField": "_id",
                    "as": "author",
                }
            },
            {"$unwind": "$author"},
        ]
    )
    return await cursor.to_list()


@app.get("/authors/{author_id}/posts", response_model=PostPage, response_model_by_alias=False)
async def read_author_posts(author_id: UUID, limit: Limit = 20) -> Any:
    where = {"author_id": author_id}
    cursor = database.posts.find(where).sort("created", -1).limit(limit)
    return {"items": await cursor.to_list(), "count": await database.posts.count_documents(where)}


@app.get("/notes", response_model=list[PostPublic], response_model_by_alias=False)
async def read_notes(user: UserDep, created_before: datetime, limit: Limit = 20) -> Any:
    where = {
        "$or": [{"published": True}, {"author_id": user}],
        "created": {"$lt": created_before},
    }
    return await database.notes.find(where).sort("created", -1).limit(limit).to_list()


@app.post(
    "/posts",
    response_model=PostPublic,
    response_model_by_alias=False,
    status_code=status.HTTP_201_CREATED,
)
async def create_post(post: PostCreate) -> Any:
    await author_exists(post.author_id)
    row = document(post, post.author_id)
    await database.posts.insert_one(row)
    return row


@app.post(
    "/batch",
    response_model=list[PostPublic],
    response_model_by_alias=False,
    status_code=status.HTTP_201_CREATED,
)
async def create_posts(posts: list[PostCreate]) -> Any:
    for author_id in {post.author_id for post in posts}:
        await author_exists(author_id)
    rows = [document(post, post.author_id) for post in posts]
    async with client.start_session() as session, await session.start_transaction():
        await database.posts.insert_many(rows, session=session)
    return rows


@app.post(
    "/authors",
    response_model=AuthorWithPosts,
    response_model_by_alias=False,
    status_code=status.HTTP_201_CREATED,
)
async def create_author(author: AuthorCreate) -> Any:
    row: Document = {"_id": uuid4(), "name": author.name, "email": author.email}
    posts = [document(post, row["_id"]) for post in author.posts]
    async with client.start_session() as session, await session.start_transaction():
        await database.authors.insert_one(row, session=session)
        await database.posts.insert_many(posts, session=session)
    return {**row, "posts": posts}


@app.patch("/posts/{post_id}", response_model=PostPublic, response_model_by_alias=False)
async def update_post(post_id: UUID, changes: PostUpdate) -> Any:
    row = await database.posts.find_one_and_update(
        {"_id": post_id},
        {"$set": changes.model_dump(exclude_unset=True)},
        return_document=ReturnDocument.AFTER,
    )
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Post not found")
    return row
