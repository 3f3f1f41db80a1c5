-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- create of Post
-- set.id, set.title, set.author, set.author, me, me, me
INSERT INTO posts (id, title, author) SELECT ? AS anon_2, ? AS anon_3, ? AS anon_4
WHERE ? = ? RETURNING CASE WHEN (posts.public = 1 OR posts.author = ?) THEN '{"id":"' || posts.id || '","title":' || json_quote(posts.title) || CASE WHEN (posts.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (posts.price < 0) THEN '-' ELSE '' END || (abs(posts.price) / 100) || '.' || substr('00' || (abs(posts.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END || ',"author":"' || posts.author || '","created":"' || replace(posts.created, '.000000Z', 'Z') || '","updated":"' || replace(posts.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t1.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t1.name) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON 1 = 1
WHERE t2.post = posts.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: create of Post
-- set.author, me, 1, 0
SELECT 1 AS c0, CASE WHEN (? = ?) THEN ? ELSE ? END AS c1;

-- create_child of Comment
-- set.id, set.post, set.text, set.post, set.post, me, set.post, set.post, me, me
INSERT INTO comments (id, post, text) SELECT ? AS anon_1, ? AS anon_2, ? AS anon_3
WHERE ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = ?) = 1 OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = ?) = ?) AND (? IS NULL OR (EXISTS (SELECT 1
FROM posts AS t3
WHERE t3.id = ? AND (t3.public = 1 OR t3.author = ?)))) RETURNING CASE WHEN ((SELECT t4.public
FROM posts AS t4
WHERE t4.id = comments.post) = 1 OR (SELECT t5.author
FROM posts AS t5
WHERE t5.id = comments.post) = ?) THEN '{"id":"' || comments.id || '","post":"' || comments.post || '","text":' || json_quote(comments.text) || ',"created":"' || replace(comments.created, '.000000Z', 'Z') || '","updated":"' || replace(comments.updated, '.000000Z', 'Z') || '"}' END AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: create_child of Comment
-- set.post, set.post, me, 1, 0, set.post, set.post, me, 1, 0
SELECT 1 AS c0, CASE WHEN ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = ?) = 1 OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = ?) = ?) THEN ? ELSE ? END AS c1, CASE WHEN (? IS NULL OR (EXISTS (SELECT 1
FROM posts AS t3
WHERE t3.id = ? AND (t3.public = 1 OR t3.author = ?)))) THEN ? ELSE ? END AS c2;

-- update of Post
-- set.title, set.updated, key.id, me, me, me, me
UPDATE posts SET title=?, updated=? WHERE posts.id = ? AND posts.author = ? AND posts.author = ? RETURNING CASE WHEN (posts.public = 1 OR posts.author = ?) THEN '{"id":"' || posts.id || '","title":' || json_quote(posts.title) || CASE WHEN (posts.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (posts.price < 0) THEN '-' ELSE '' END || (abs(posts.price) / 100) || '.' || substr('00' || (abs(posts.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END || ',"author":"' || posts.author || '","created":"' || replace(posts.created, '.000000Z', 'Z') || '","updated":"' || replace(posts.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t1.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t1.name) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON 1 = 1
WHERE t2.post = posts.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: update of Post
-- me, 1, 0, me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c1, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c2
FROM posts
WHERE posts.id = ?;

-- update_if_match of Topic
-- set.parent, key.name, etags
UPDATE topics SET parent=? WHERE topics.name = ? AND abaft_fingerprint('{"name":' || json_quote(topics.name) || ',"parent":' || coalesce(json_quote(topics.parent), 'null') || '}') IN (SELECT anon_1.value
FROM json_each(?) AS anon_1) RETURNING '{"name":' || json_quote(topics.name) || ',"parent":' || coalesce(json_quote(topics.parent), 'null') || '}' AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: update_if_match of Topic
-- etags, 1, 0, key.name
SELECT 1 AS c0, CASE WHEN (abaft_fingerprint('{"name":' || json_quote(topics.name) || ',"parent":' || coalesce(json_quote(topics.parent), 'null') || '}') IN (SELECT anon_1.value
FROM json_each(?) AS anon_1)) THEN ? ELSE ? END AS c1
FROM topics
WHERE topics.name = ?;

-- update_to_many of Post
-- key.id
UPDATE posts SET id=posts.id WHERE posts.id = ? RETURNING '{"topics":' || (SELECT '[' || coalesce(group_concat(r_t1.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t1.name) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON 1 = 1
WHERE t2.post = posts.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: update_to_many of Post
-- key.id
SELECT 1 AS c0
FROM posts
WHERE posts.id = ?;

-- operators of Post
-- set.price, set.updated, key.id, me, me, me, set.price, 999999999, set.price, -999999999, set.price, set.price, -999999999, set.price, set.price, 999999999, set.price, -999999999, set.price, set.price, 999999999, set.price, me, me, me
UPDATE posts SET price=(coalesce(posts.price, 0) + ?), updated=? WHERE posts.id = ? AND posts.author = ? AND (posts.public = 1 OR posts.author = ?) AND posts.author = ? AND CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) >= ? ELSE ? > 0 END = 1 AND CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) <= ? ELSE ? <= 0 END = 1 AND posts.author = ? RETURNING CASE WHEN (posts.public = 1 OR posts.author = ?) THEN '{"id":"' || posts.id || '","title":' || json_quote(posts.title) || CASE WHEN (posts.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (posts.price < 0) THEN '-' ELSE '' END || (abs(posts.price) / 100) || '.' || substr('00' || (abs(posts.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END || ',"author":"' || posts.author || '","created":"' || replace(posts.created, '.000000Z', 'Z') || '","updated":"' || replace(posts.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t1.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t1.name) AS j
FROM post_topics AS t2 JOIN topics AS t1 ON 1 = 1
WHERE t2.post = posts.id AND t2.topic = t1.name ORDER BY t1.name ASC) AS r_t1) || '}' END AS j, NULL AS k, '{"price":' || coalesce('"' || CASE WHEN (posts.price < 0) THEN '-' ELSE '' END || (abs(posts.price) / 100) || '.' || substr('00' || (abs(posts.price) % 100), -2) || '"', 'null') || '}' AS d;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: operators of Post
-- me, 1, 0, me, me, me, 1, 0, set.price, 999999999, set.price, -999999999, set.price, set.price, -999999999, set.price, 1, 0, set.price, 999999999, set.price, -999999999, set.price, set.price, 999999999, set.price, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ? AND (posts.public = 1 OR posts.author = ?) AND posts.author = ?) THEN ? ELSE ? END AS c1, CASE WHEN CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) >= ? ELSE ? > 0 END THEN ? ELSE ? END AS c2, CASE WHEN CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) <= ? ELSE ? <= 0 END THEN ? ELSE ? END AS c3, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c4
FROM posts
WHERE posts.id = ?;

-- delete of Post
-- key.id, me
DELETE FROM posts WHERE posts.id = ? AND posts.author = ? RETURNING NULL AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: delete of Post
-- me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c1
FROM posts
WHERE posts.id = ?;

-- delete_restricted of Comment
-- key.id
DELETE FROM comments WHERE comments.id = ? RETURNING NULL AS j, NULL AS k;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT));

-- why not: delete_restricted of Comment
-- key.id
SELECT 1 AS c0
FROM comments
WHERE comments.id = ?;
