-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- User
CREATE TABLE users (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	email TEXT,
	created TEXT NOT NULL,
	updated TEXT NOT NULL,
	PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;
CREATE UNIQUE INDEX uq_users_email ON users (lower(email));

-- Topic
CREATE TABLE topics (
	name TEXT NOT NULL,
	parent TEXT,
	PRIMARY KEY (name),
	CONSTRAINT fk_topics_parent FOREIGN KEY(parent) REFERENCES topics (name) ON DELETE SET NULL
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_topics_parent ON topics (parent, name);

-- Post
CREATE TABLE posts (
	id TEXT NOT NULL,
	title TEXT NOT NULL,
	price INTEGER,
	public INTEGER NOT NULL,
	secret TEXT,
	author TEXT NOT NULL,
	created TEXT NOT NULL,
	updated TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT fk_posts_author FOREIGN KEY(author) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT ck_posts_cheap CHECK (coalesce(price <= 100000, 0))
)
 WITHOUT ROWID,
 STRICT;
CREATE UNIQUE INDEX uq_posts_title_author ON posts (lower(title), author);
CREATE INDEX ix_posts_public ON posts (public, id);
CREATE INDEX ix_posts_price_title ON posts (price, lower(title), id);
CREATE INDEX ix_posts_author ON posts (author, id);

-- Comment
CREATE TABLE comments (
	id TEXT NOT NULL,
	post TEXT NOT NULL,
	text TEXT NOT NULL,
	created TEXT NOT NULL,
	updated TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT fk_comments_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_comments_post ON comments (post, id);

-- Note
CREATE TABLE notes (
	place TEXT NOT NULL,
	number INTEGER NOT NULL,
	title TEXT NOT NULL,
	text TEXT,
	memo TEXT NOT NULL,
	owner TEXT NOT NULL,
	created TEXT NOT NULL,
	updated TEXT NOT NULL,
	PRIMARY KEY (place, number),
	CONSTRAINT fk_notes_owner FOREIGN KEY(owner) REFERENCES users (id) ON DELETE NO ACTION
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_notes_owner ON notes (owner, place, number);

-- Post.topics
CREATE TABLE post_topics (
	post TEXT NOT NULL,
	topic TEXT NOT NULL,
	PRIMARY KEY (post, topic),
	CONSTRAINT fk_post_topics_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE,
	CONSTRAINT fk_post_topics_topic FOREIGN KEY(topic) REFERENCES topics (name) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_post_topics_topic_post ON post_topics (topic, post);
