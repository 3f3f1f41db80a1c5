"""The peer on MongoDB: FastAPI and Beanie 2, the way their documentation writes them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from beanie import Document, Link, init_beanie
from beanie.operators import In, Or
from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from pymongo import AsyncMongoClient, IndexModel
from pymongo.write_concern import WriteConcern

from bench import data

client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
    os.environ["BENCH_DATABASE"], uuidRepresentation="standard", tz_aware=True
)


def now() -> datetime:
    """MongoDB keeps milliseconds."""
    found = datetime.now(UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


class AuthorBase(BaseModel):
    name: str = Field(max_length=80)
    email: str = Field(max_length=120)


class Author(Document, AuthorBase):
    id: UUID = Field(default_factory=uuid4)  # type: ignore[assignment]

    class Settings:
        name = "authors"


class PostBase(BaseModel):
    title: str = Field(max_length=200)
    body: str
    views: int = Field(ge=0)
    published: bool


class Written(Document, PostBase):
    """What posts and notes have in common."""

    id: UUID = Field(default_factory=uuid4)  # type: ignore[assignment]
    author: Link[Author]
    created: datetime = Field(default_factory=now)

    @property
    def author_id(self) -> UUID:
        # A link until its record was fetched, then the record.
        author: Any = self.author
        key: UUID = author.ref.id if isinstance(author, Link) else author.id
        return key

    class Settings:
        indexes = (
            IndexModel([("author.$id", 1), ("created", -1)]),
            IndexModel([("created", -1)]),
        )


class Post(Written):
    class Settings(Written.Settings):
        name = "posts"


class Note(Written):
    class Settings(Written.Settings):
        name = "notes"


class Public(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID


class AuthorPublic(AuthorBase, Public):
    pass


class PostCreate(PostBase):
    author_id: UUID


class PostUpdate(BaseModel):
    title: str | None = Field(default=None, max_length=200)
    body: str | None = None
    views: int | None = Field(default=None, ge=0)
    published: bool | None = None


class PostPublic(PostBase, Public):
    author_id: UUID
    created: datetime


class PostWithAuthor(PostBase, Public):
    author: AuthorPublic
    created: datetime


class AuthorCreate(AuthorBase):
    posts: list[PostBase]


class AuthorWithPosts(AuthorPublic):
    posts: list[PostPublic]


class PostPage(BaseModel):
    items: list[PostPublic]
    count: int


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    # As durable as the other server: every write is on disk before it is answered.
    database = client.get_default_database(write_concern=WriteConcern(w="majority", j=True))
    await init_beanie(database, document_models=[Author, Post, Note])
    yield
    await client.close()


bearer = HTTPBearer()


async def get_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    """The author a token stands for; both servers read it the same way, without the database."""
    kind, _, number = credentials.credentials.partition("-")
    if kind != "user" or not number.isdecimal():
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Invalid token")
    return data.author_id(int(number))


async def get_post(post_id: UUID) -> Post:
    post = await Post.get(post_id)
    if post is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Post not found")
    return post


async def get_author(author_id: UUID) -> Author:
    author = await Author.get(author_id)
    if author is None:
        raise HTTPException(status.HTTP_409_CONFLICT, "There is no such author")
    return author


UserDep = Annotated[UUID, Depends(get_user)]
PostDep = Annotated[Post, Depends(get_post)]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(lifespan=lifespan)


@app.get("/posts/{post_id}", response_model=PostPublic)
async def read_post(post: PostDep) -> Any:
    return post


# Of a class, a field is what queries are made of; checkers take it for the value that a record has.
@app.get("/posts", response_model=list[PostWithAuthor])
async def read_posts(created_before: datetime, limit: Limit = 20) -> Any:
    # `fetch_links=True` would join all 100,000 before it sorts and cuts: seconds for one page.
    found = Post.find(Post.created < created_before)
    posts = await found.sort(-Post.created).limit(limit).to_list()  # type: ignore[operator]
    authors = await Author.find(In(Author.id, [post.author_id for post in posts])).to_list()
    by_id = {author.id: author for author in authors}
    for post in posts:
        post.author = by_id[post.author_id]
    return posts


@app.get("/authors/{author_id}/posts", response_model=PostPage)
async def read_author_posts(author_id: UUID, limit: Limit = 20) -> Any:
    written = Post.author.id == author_id  # type: ignore[attr-defined]
    newest = Post.find(written).sort(-Post.created)  # type: ignore[operator]
    return {
        "items": await newest.limit(limit).to_list(),
        "count": await Post.find(written).count(),
    }


@app.get("/notes", response_model=list[PostPublic])
async def read_notes(user: UserDep, created_before: datetime, limit: Limit = 20) -> Any:
    found = Note.find(
        Or(Note.published == True, Note.author.id == user),  # type: ignore[attr-defined]  # noqa: E712
        Note.created < created_before,
    )
    return await found.sort(-Note.created).limit(limit).to_list()  # type: ignore[operator]


@app.post("/posts", response_model=PostPublic, status_code=status.HTTP_201_CREATED)
async def create_post(post: PostCreate) -> Any:
    author = await get_author(post.author_id)
    return await Post(**post.model_dump(exclude={"author_id"}), author=author).insert()


@app.post("/batch", response_model=list[PostPublic], status_code=status.HTTP_201_CREATED)
async def create_posts(posts: list[PostCreate]) -> Any:
    authors = {key: await get_author(key) for key in {post.author_id for post in posts}}
    made = [
        Post(**post.model_dump(exclude={"author_id"}), author=authors[post.author_id])
        for post in posts
    ]
    async with client.start_session() as session, await session.start_transaction():
        await Post.insert_many(made, session=session)
    return made


@app.post("/authors", response_model=AuthorWithPosts, status_code=status.HTTP_201_CREATED)
async def create_author(given: AuthorCreate) -> Any:
    author = Author(name=given.name, email=given.email)
    posts = [Post(**post.model_dump(), author=author) for post in given.posts]
    async with client.start_session() as session, await session.start_transaction():
        await author.insert(session=session)
        await Post.insert_many(posts, session=session)
    return {**author.model_dump(), "posts": posts}


@app.patch("/posts/{post_id}", response_model=PostPublic)
async def update_post(post: PostDep, changes: PostUpdate) -> Any:
    return await post.set(changes.model_dump(exclude_unset=True))
