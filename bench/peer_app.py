"""The peer: FastAPI and SQLAlchemy 2 async, written the way their documentation writes it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, Index, String, Text, event, func, or_, select
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

from bench import data

DATABASE_URL = os.environ["BENCH_DATABASE"]


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mariadb")
    }


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(120))


class Post(Base):
    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_author", "author_id", "created", "id"),
        Index("ix_posts_created", "created", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    views: Mapped[int]
    published: Mapped[bool]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("authors.id"))
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))

    author: Mapped[Author] = relationship()


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = (
        Index("ix_notes_author", "author_id", "created", "id"),
        Index("ix_notes_created", "created", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    views: Mapped[int]
    published: Mapped[bool]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("authors.id"))
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class AuthorPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
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
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    author_id: UUID
    created: datetime


class PostWithAuthor(PostBase):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
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


# A longer queue for connections, or SQLite's threads in plenty, measured slower for this app.
POOL_SIZE = 5 if DATABASE_URL.startswith("sqlite") else 10

# asyncpg keeps prepared statements by itself, asyncmy when it is asked to.
KEPT = {"stmt_cache_size": 100} if "asyncmy" in DATABASE_URL else {}

engine = create_async_engine(DATABASE_URL, pool_size=POOL_SIZE, max_overflow=0, connect_args=KEPT)
async_session = async_sessionmaker(engine, expire_on_commit=False)


if engine.dialect.name == "sqlite":

    @event.listens_for(engine.sync_engine, "connect")
    def set_sqlite_pragma(connection: Any, _: Any) -> None:
        """As durable as the other server: every commit is on disk before it is answered."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with async_session() as session:
        yield session


bearer = HTTPBearer()


async def get_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    """The author a token stands for; both servers read it the same way, without the database."""
    kind, _, number = credentials.credentials.partition("-")
    if kind != "user" or not number.isdecimal():
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Invalid token")
    return data.author_id(int(number))


SessionDep = Annotated[AsyncSession, Depends(get_session)]
UserDep = Annotated[UUID, Depends(get_user)]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(lifespan=lifespan)


@app.get("/posts/{post_id}", response_model=PostPublic)
async def read_post(post_id: UUID, session: SessionDep) -> Any:
    post = await session.get(Post, post_id)
    if post is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Post not found")
    return post


@app.get("/posts", response_model=list[PostWithAuthor])
async def read_posts(session: SessionDep, created_before: datetime, limit: Limit = 20) -> Any:
    statement = (
        select(Post)
        .options(joinedload(Post.author, innerjoin=True))
        .where(Post.created < created_before)
        .order_by(Post.created.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


@app.get("/authors/{author_id}/posts", response_model=PostPage)
async def read_author_posts(author_id: UUID, session: SessionDep, limit: Limit = 20) -> Any:
    statement = (
        select(Post).where(Post.author_id == author_id).order_by(Post.created.desc()).limit(limit)
    )
    count = select(func.count()).select_from(Post).where(Post.author_id == author_id)
    return {
        "items": (await session.scalars(statement)).all(),
        "count": await session.scalar(count),
    }


@app.get("/notes", response_model=list[PostPublic])
async def read_notes(
    session: SessionDep, user: UserDep, created_before: datetime, limit: Limit = 20
) -> Any:
    statement = (
        select(Note)
        .where(or_(Note.published, Note.author_id == user), Note.created < created_before)
        .order_by(Note.created.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


@app.post("/posts", response_model=PostPublic, status_code=status.HTTP_201_CREATED)
async def create_post(post: PostCreate, session: SessionDep) -> Any:
    row = Post(**post.model_dump())
    session.add(row)
    await session.commit()
    return row


@app.post("/batch", response_model=list[PostPublic], status_code=status.HTTP_201_CREATED)
async def create_posts(posts: list[PostCreate], session: SessionDep) -> Any:
    rows = [Post(**post.model_dump()) for post in posts]
    session.add_all(rows)
    await session.commit()
    return rows


@app.post("/authors", response_model=AuthorWithPosts, status_code=status.HTTP_201_CREATED)
async def create_author(author: AuthorCreate, session: SessionDep) -> Any:
    row = Author(name=author.name, email=author.email)
    session.add(row)
    await session.flush()
    posts = [Post(**post.model_dump(), author_id=row.id) for post in author.posts]
    session.add_all(posts)
    await session.commit()
    return {"id": row.id, "name": row.name, "email": row.email, "posts": posts}


@app.patch("/posts/{post_id}", response_model=PostPublic)
async def update_post(post_id: UUID, changes: PostUpdate, session: SessionDep) -> Any:
    row = await session.get(Post, post_id)
    if row is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Post not found")
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(row, name, value)
    await session.commit()
    return row
