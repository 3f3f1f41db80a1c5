-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- User
CREATE TABLE users (
	id UUID NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	email TEXT COLLATE "C",
	created TIMESTAMP WITH TIME ZONE NOT NULL,
	updated TIMESTAMP WITH TIME ZONE NOT NULL,
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_users_email ON users (lower(email));

-- Topic
CREATE TABLE topics (
	name TEXT COLLATE "C" NOT NULL,
	parent TEXT COLLATE "C",
	PRIMARY KEY (name)
);
ALTER TABLE topics ADD CONSTRAINT fk_topics_parent FOREIGN KEY(parent) REFERENCES topics (name) ON DELETE SET NULL DEFERRABLE;
CREATE INDEX ix_topics_parent ON topics (parent, name);

-- Post
CREATE TABLE posts (
	id UUID NOT NULL,
	title TEXT COLLATE "C" NOT NULL,
	price NUMERIC(9, 2),
	public BOOLEAN NOT NULL,
	secret TEXT COLLATE "C",
	author UUID NOT NULL,
	created TIMESTAMP WITH TIME ZONE NOT NULL,
	updated TIMESTAMP WITH TIME ZONE NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ck_posts_cheap CHECK (coalesce(price <= 1000.00, false))
);
ALTER TABLE posts ADD CONSTRAINT fk_posts_author FOREIGN KEY(author) REFERENCES users (id) ON DELETE CASCADE;
CREATE UNIQUE INDEX uq_posts_title_author ON posts (lower(title), author);
CREATE INDEX ix_posts_public ON posts (public, id);
CREATE INDEX ix_posts_price_title ON posts (price, lower(title), id);
CREATE INDEX ix_posts_author ON posts (author, id);

-- Comment
CREATE TABLE comments (
	id UUID NOT NULL,
	post UUID NOT NULL,
	text TEXT COLLATE "C" NOT NULL,
	created TIMESTAMP WITH TIME ZONE NOT NULL,
	updated TIMESTAMP WITH TIME ZONE NOT NULL,
	PRIMARY KEY (id)
);
ALTER TABLE comments ADD CONSTRAINT fk_comments_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE;
CREATE INDEX ix_comments_post ON comments (post, id);

-- Note
CREATE TABLE notes (
	place TEXT COLLATE "C" NOT NULL,
	number BIGINT NOT NULL,
	title TEXT COLLATE "C" NOT NULL,
	text TEXT COLLATE "C",
	memo TEXT COLLATE "C" NOT NULL,
	owner UUID NOT NULL,
	created TIMESTAMP WITH TIME ZONE NOT NULL,
	updated TIMESTAMP WITH TIME ZONE NOT NULL,
	PRIMARY KEY (place, number)
);
ALTER TABLE notes ADD CONSTRAINT fk_notes_owner FOREIGN KEY(owner) REFERENCES users (id) ON DELETE NO ACTION;
CREATE INDEX ix_notes_owner ON notes (owner, place, number);

-- Post.topics
CREATE TABLE post_topics (
	post UUID NOT NULL,
	topic TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (post, topic)
);
ALTER TABLE post_topics ADD CONSTRAINT fk_post_topics_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE;
ALTER TABLE post_topics ADD CONSTRAINT fk_post_topics_topic FOREIGN KEY(topic) REFERENCES topics (name) ON DELETE CASCADE;
CREATE INDEX ix_post_topics_topic_post ON post_topics (topic, post);
