-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- User
CREATE TABLE users (
	id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
	created DATETIME(6) NOT NULL,
	updated DATETIME(6) NOT NULL,
	abaft_low_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin GENERATED ALWAYS AS ((convert(CAST(lower(convert(CAST(email AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin)) VIRTUAL INVISIBLE,
	PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
CREATE UNIQUE INDEX uq_users_email ON users (abaft_low_email);

-- Topic
CREATE TABLE topics (
	name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	parent VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
	PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
ALTER TABLE topics ADD CONSTRAINT fk_topics_parent FOREIGN KEY(parent) REFERENCES topics (name) ON DELETE SET NULL;
CREATE INDEX ix_topics_parent ON topics (parent);

-- Post
CREATE TABLE posts (
	id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	title LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	price NUMERIC(9, 2),
	public TINYINT(1) NOT NULL,
	secret LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
	author VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	created DATETIME(6) NOT NULL,
	updated DATETIME(6) NOT NULL,
	abaft_sum_title VARBINARY(32) GENERATED ALWAYS AS (unhex(sha2((convert(CAST(lower(convert(CAST(title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin), 256))) VIRTUAL INVISIBLE,
	abaft_begin_title VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin GENERATED ALWAYS AS (left((convert(CAST(lower(convert(CAST(title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin), 191)) VIRTUAL INVISIBLE,
	PRIMARY KEY (id),
	CONSTRAINT ck_posts_cheap CHECK (coalesce(price <= 1000.00, false) = 1)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
ALTER TABLE posts ADD CONSTRAINT fk_posts_author FOREIGN KEY(author) REFERENCES users (id) ON DELETE CASCADE;
CREATE UNIQUE INDEX uq_posts_title_author ON posts (abaft_sum_title, author);
CREATE INDEX ix_posts_public ON posts (public);
CREATE INDEX ix_posts_price_title ON posts (price, abaft_begin_title);
CREATE INDEX ix_posts_author ON posts (author);

-- Comment
CREATE TABLE comments (
	id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	post VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	text LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	created DATETIME(6) NOT NULL,
	updated DATETIME(6) NOT NULL,
	PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
ALTER TABLE comments ADD CONSTRAINT fk_comments_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE;
CREATE INDEX ix_comments_post ON comments (post);

-- Note
CREATE TABLE notes (
	place VARCHAR(384) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	number BIGINT NOT NULL,
	title LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	text LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
	memo LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	owner VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	created DATETIME(6) NOT NULL,
	updated DATETIME(6) NOT NULL,
	PRIMARY KEY (place, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
ALTER TABLE notes ADD CONSTRAINT fk_notes_owner FOREIGN KEY(owner) REFERENCES users (id) ON DELETE NO ACTION;
CREATE INDEX ix_notes_owner ON notes (owner);

-- Post.topics
CREATE TABLE post_topics (
	post VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	topic VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
	PRIMARY KEY (post, topic)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin;
ALTER TABLE post_topics ADD CONSTRAINT fk_post_topics_post FOREIGN KEY(post) REFERENCES posts (id) ON DELETE CASCADE;
ALTER TABLE post_topics ADD CONSTRAINT fk_post_topics_topic FOREIGN KEY(topic) REFERENCES topics (name) ON DELETE CASCADE;
CREATE INDEX ix_post_topics_topic_post ON post_topics (topic);
