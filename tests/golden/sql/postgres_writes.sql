-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- create of Post
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.id, set.title, set.author, me, me, me
WITH w AS
(INSERT INTO posts (id, title, author) SELECT $7::UUID AS anon_7, $8::VARCHAR COLLATE "C" AS anon_8, $9::UUID AS anon_9
WHERE $9::UUID = $10::UUID RETURNING posts.id, posts.title, posts.price, posts.public, posts.secret, posts.author, posts.created, posts.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT CASE WHEN (w.public = true OR w.author = $11::UUID) THEN '{"id":"' || w.id || '","title":' || CAST(to_json(w.title) AS TEXT) || CASE WHEN (w.author = $12::UUID) THEN ',"price":' || coalesce('"' || w.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (w.public IS true) THEN 'true' WHEN (w.public IS false) THEN 'false' END || ',"author":"' || w.author || '","created":"' || replace(to_char(timezone('UTC', w.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', w.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t1.j, ','), '') || ']' AS anon_10
FROM (SELECT CAST(to_json(t1.name) AS TEXT) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON true
WHERE t2.post = w.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k
FROM w;

-- why not: create of Post
-- set.author, me, 1, 0
SELECT 1 AS c0, CASE WHEN ($1::UUID = $2::UUID) THEN $3::INTEGER ELSE $4::INTEGER END AS c1;

-- create_child of Comment
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.id, set.post, set.text, me, me, me
WITH w AS
(INSERT INTO comments (id, post, text) SELECT $7::UUID AS anon_7, $8::UUID AS anon_8, $9::VARCHAR COLLATE "C" AS anon_9
WHERE ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = $8::UUID) = true OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = $8::UUID) = $10::UUID) AND ($8::UUID IS NULL OR (EXISTS (SELECT 1
FROM posts AS t3
WHERE t3.id = $8::UUID AND (t3.public = true OR t3.author = $11::UUID)))) RETURNING comments.id, comments.post, comments.text, comments.created, comments.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT CASE WHEN ((SELECT t4.public
FROM posts AS t4
WHERE t4.id = w.post) = true OR (SELECT t5.author
FROM posts AS t5
WHERE t5.id = w.post) = $12::UUID) THEN '{"id":"' || w.id || '","post":"' || w.post || '","text":' || CAST(to_json(w.text) AS TEXT) || ',"created":"' || replace(to_char(timezone('UTC', w.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', w.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' END AS j, NULL AS k
FROM w;

-- why not: create_child of Comment
-- set.post, me, 1, 0, me, 1, 0
SELECT 1 AS c0, CASE WHEN ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = $1::UUID) = true OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = $1::UUID) = $2::UUID) THEN $3::INTEGER ELSE $4::INTEGER END AS c1, CASE WHEN ($1::UUID IS NULL OR (EXISTS (SELECT 1
FROM posts AS t3
WHERE t3.id = $1::UUID AND (t3.public = true OR t3.author = $5::UUID)))) THEN $6::INTEGER ELSE $7::INTEGER END AS c2;

-- update of Post
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.title, set.updated, key.id, me, me, me, me
WITH w AS
(UPDATE posts SET title=$7::VARCHAR COLLATE "C", updated=$8::TIMESTAMP WITH TIME ZONE WHERE posts.id = $9::UUID AND posts.author = $10::UUID AND posts.author = $11::UUID RETURNING posts.id, posts.title, posts.price, posts.public, posts.secret, posts.author, posts.created, posts.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT CASE WHEN (w.public = true OR w.author = $12::UUID) THEN '{"id":"' || w.id || '","title":' || CAST(to_json(w.title) AS TEXT) || CASE WHEN (w.author = $13::UUID) THEN ',"price":' || coalesce('"' || w.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (w.public IS true) THEN 'true' WHEN (w.public IS false) THEN 'false' END || ',"author":"' || w.author || '","created":"' || replace(to_char(timezone('UTC', w.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', w.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t1.j, ','), '') || ']' AS anon_7
FROM (SELECT CAST(to_json(t1.name) AS TEXT) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON true
WHERE t2.post = w.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k
FROM w;

-- why not: update of Post
-- me, 1, 0, me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = true OR posts.author = $1::UUID) THEN $2::INTEGER ELSE $3::INTEGER END AS c0, CASE WHEN (posts.author = $4::UUID) THEN $5::INTEGER ELSE $6::INTEGER END AS c1, CASE WHEN (posts.author = $7::UUID) THEN $8::INTEGER ELSE $9::INTEGER END AS c2
FROM posts
WHERE posts.id = $10::UUID;

-- update_if_match of Topic
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.parent, key.name, etags
WITH w AS
(UPDATE topics SET parent=$7::VARCHAR COLLATE "C" WHERE topics.name = $8::VARCHAR COLLATE "C" AND left(encode(sha256(convert_to('{"name":' || CAST(to_json(topics.name) AS TEXT) || ',"parent":' || coalesce(CAST(to_json(topics.parent) AS TEXT), 'null') || '}', 'UTF8')), 'hex'), 32) = ANY ($9::TEXT[] COLLATE "C") RETURNING topics.name, topics.parent),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT '{"name":' || CAST(to_json(w.name) AS TEXT) || ',"parent":' || coalesce(CAST(to_json(w.parent) AS TEXT), 'null') || '}' AS j, NULL AS k
FROM w;

-- why not: update_if_match of Topic
-- etags, 1, 0, key.name
SELECT 1 AS c0, CASE WHEN (left(encode(sha256(convert_to('{"name":' || CAST(to_json(topics.name) AS TEXT) || ',"parent":' || coalesce(CAST(to_json(topics.parent) AS TEXT), 'null') || '}', 'UTF8')), 'hex'), 32) = ANY ($1::TEXT[] COLLATE "C")) THEN $2::INTEGER ELSE $3::INTEGER END AS c1
FROM topics
WHERE topics.name = $4::VARCHAR COLLATE "C";

-- update_to_many of Post
-- change.at, change.actor, change.model, change.record, change.action, change.data, key.id
WITH w AS
(UPDATE posts SET id=posts.id WHERE posts.id = $7::UUID RETURNING posts.id, posts.title, posts.price, posts.public, posts.secret, posts.author, posts.created, posts.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT '{"topics":' || (SELECT '[' || coalesce(string_agg(r_t1.j, ','), '') || ']' AS anon_7
FROM (SELECT CAST(to_json(t1.name) AS TEXT) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON true
WHERE t2.post = w.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' AS j, NULL AS k
FROM w;

-- why not: update_to_many of Post
-- key.id
SELECT 1 AS c0
FROM posts
WHERE posts.id = $1::UUID;

-- operators of Post
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.price, set.updated, key.id, me, me, me, Decimal('9999999.99'), Decimal('-9999999.99'), Decimal('-9999999.99'), Decimal('9999999.99'), Decimal('-9999999.99'), Decimal('9999999.99'), me, me, me
WITH w AS
(UPDATE posts SET price=(coalesce(posts.price, 0) + $7::NUMERIC(9, 2)), updated=$8::TIMESTAMP WITH TIME ZONE WHERE posts.id = $9::UUID AND posts.author = $10::UUID AND (posts.public = true OR posts.author = $11::UUID) AND posts.author = $12::UUID AND CASE WHEN CASE WHEN ($7::NUMERIC(9, 2) > 0) THEN coalesce(posts.price, 0) <= ($13::NUMERIC(9, 2) - $7::NUMERIC(9, 2)) ELSE coalesce(posts.price, 0) >= ($14::NUMERIC(9, 2) - $7::NUMERIC(9, 2)) END THEN (coalesce(posts.price, 0) + $7::NUMERIC(9, 2)) >= $15::NUMERIC(9, 2) ELSE $7::NUMERIC(9, 2) > 0 END AND CASE WHEN CASE WHEN ($7::NUMERIC(9, 2) > 0) THEN coalesce(posts.price, 0) <= ($16::NUMERIC(9, 2) - $7::NUMERIC(9, 2)) ELSE coalesce(posts.price, 0) >= ($17::NUMERIC(9, 2) - $7::NUMERIC(9, 2)) END THEN (coalesce(posts.price, 0) + $7::NUMERIC(9, 2)) <= $18::NUMERIC(9, 2) ELSE $7::NUMERIC(9, 2) <= 0 END AND posts.author = $19::UUID RETURNING posts.id, posts.title, posts.price, posts.public, posts.secret, posts.author, posts.created, posts.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) || CAST('{"price":' || coalesce('"' || w.price || '"', 'null') || '}' AS JSONB) AS anon_6
FROM w)
SELECT CASE WHEN (w.public = true OR w.author = $20::UUID) THEN '{"id":"' || w.id || '","title":' || CAST(to_json(w.title) AS TEXT) || CASE WHEN (w.author = $21::UUID) THEN ',"price":' || coalesce('"' || w.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (w.public IS true) THEN 'true' WHEN (w.public IS false) THEN 'false' END || ',"author":"' || w.author || '","created":"' || replace(to_char(timezone('UTC', w.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', w.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t1.j, ','), '') || ']' AS anon_7
FROM (SELECT CAST(to_json(t1.name) AS TEXT) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON true
WHERE t2.post = w.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k
FROM w;

-- why not: operators of Post
-- me, 1, 0, me, me, me, 1, 0, set.price, Decimal('9999999.99'), Decimal('-9999999.99'), Decimal('-9999999.99'), 1, 0, Decimal('9999999.99'), Decimal('-9999999.99'), Decimal('9999999.99'), 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = true OR posts.author = $1::UUID) THEN $2::INTEGER ELSE $3::INTEGER END AS c0, CASE WHEN (posts.author = $4::UUID AND (posts.public = true OR posts.author = $5::UUID) AND posts.author = $6::UUID) THEN $7::INTEGER ELSE $8::INTEGER END AS c1, CASE WHEN CASE WHEN CASE WHEN ($9::NUMERIC(9, 2) > 0) THEN coalesce(posts.price, 0) <= ($10::NUMERIC(9, 2) - $9::NUMERIC(9, 2)) ELSE coalesce(posts.price, 0) >= ($11::NUMERIC(9, 2) - $9::NUMERIC(9, 2)) END THEN (coalesce(posts.price, 0) + $9::NUMERIC(9, 2)) >= $12::NUMERIC(9, 2) ELSE $9::NUMERIC(9, 2) > 0 END THEN $13::INTEGER ELSE $14::INTEGER END AS c2, CASE WHEN CASE WHEN CASE WHEN ($9::NUMERIC(9, 2) > 0) THEN coalesce(posts.price, 0) <= ($15::NUMERIC(9, 2) - $9::NUMERIC(9, 2)) ELSE coalesce(posts.price, 0) >= ($16::NUMERIC(9, 2) - $9::NUMERIC(9, 2)) END THEN (coalesce(posts.price, 0) + $9::NUMERIC(9, 2)) <= $17::NUMERIC(9, 2) ELSE $9::NUMERIC(9, 2) <= 0 END THEN $18::INTEGER ELSE $19::INTEGER END AS c3, CASE WHEN (posts.author = $20::UUID) THEN $21::INTEGER ELSE $22::INTEGER END AS c4
FROM posts
WHERE posts.id = $23::UUID;

-- delete of Post
-- change.at, change.actor, change.model, change.record, change.action, change.data, key.id, me
WITH w AS
(DELETE FROM posts WHERE posts.id = $7::UUID AND posts.author = $8::UUID RETURNING posts.id, posts.title, posts.price, posts.public, posts.secret, posts.author, posts.created, posts.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT NULL AS j, NULL AS k
FROM w;

-- why not: delete of Post
-- me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = true OR posts.author = $1::UUID) THEN $2::INTEGER ELSE $3::INTEGER END AS c0, CASE WHEN (posts.author = $4::UUID) THEN $5::INTEGER ELSE $6::INTEGER END AS c1
FROM posts
WHERE posts.id = $7::UUID;

-- delete_restricted of Comment
-- change.at, change.actor, change.model, change.record, change.action, change.data, key.id
WITH w AS
(DELETE FROM comments WHERE comments.id = $7::UUID RETURNING comments.id, comments.post, comments.text, comments.created, comments.updated),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
SELECT NULL AS j, NULL AS k
FROM w;

-- why not: delete_restricted of Comment
-- key.id
SELECT 1 AS c0
FROM comments
WHERE comments.id = $1::UUID;
