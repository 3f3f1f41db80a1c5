-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- create of Post
-- set.id, set.title, set.author, set.author, me
INSERT INTO posts (id, title, author) SELECT ? AS anon_1, ? AS anon_2, ? AS anon_3 FROM DUAL
WHERE ? = ?;
-- me, me, set.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN concat('{"id":"', posts.id, '","title":', (json_quote(posts.title) COLLATE utf8mb4_nopad_bin), CASE WHEN (posts.author = ?) THEN concat(',"price":', coalesce(concat('"', posts.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END, ',"author":"', posts.author, '","created":"', replace(date_format(posts.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(posts.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t1.name) COLLATE utf8mb4_nopad_bin ORDER BY t1.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t2 INNER JOIN topics AS t1 ON true = 1
WHERE t2.post = posts.id AND t2.topic = t1.name), '}') END AS j, NULL AS k
FROM posts
WHERE posts.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: create of Post
-- set.author, me, 1, 0
SELECT 1 AS c0, CASE WHEN (? = ?) THEN ? ELSE ? END AS c1;

-- create_child of Comment
-- set.id, set.post, set.text, set.post, set.post, me, set.post, set.post, me
INSERT INTO comments (id, post, text) SELECT ? AS anon_1, ? AS anon_2, ? AS anon_3 FROM DUAL
WHERE ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = ?) = 1 OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = ?) = ?) AND (? IS NULL OR (EXISTS (SELECT 1
FROM posts AS t3
WHERE t3.id = ? AND (t3.public = 1 OR t3.author = ?))));
-- me, set.id
SELECT CASE WHEN ((SELECT t1.public
FROM posts AS t1
WHERE t1.id = comments.post) = 1 OR (SELECT t2.author
FROM posts AS t2
WHERE t2.id = comments.post) = ?) THEN concat('{"id":"', comments.id, '","post":"', comments.post, '","text":', (json_quote(comments.text) COLLATE utf8mb4_nopad_bin), ',"created":"', replace(date_format(comments.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(comments.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"}') END AS j, NULL AS k
FROM comments
WHERE comments.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

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
-- set.title, set.updated, key.id, me, me
UPDATE posts SET title=?, updated=? WHERE posts.id = ? AND posts.author = ? AND posts.author = ?;
-- me, me, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN concat('{"id":"', posts.id, '","title":', (json_quote(posts.title) COLLATE utf8mb4_nopad_bin), CASE WHEN (posts.author = ?) THEN concat(',"price":', coalesce(concat('"', posts.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END, ',"author":"', posts.author, '","created":"', replace(date_format(posts.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(posts.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t1.name) COLLATE utf8mb4_nopad_bin ORDER BY t1.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t2 INNER JOIN topics AS t1 ON true = 1
WHERE t2.post = posts.id AND t2.topic = t1.name), '}') END AS j, NULL AS k
FROM posts
WHERE posts.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: update of Post
-- me, 1, 0, me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c1, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c2
FROM posts
WHERE posts.id = ?;

-- update_if_match of Topic
-- set.parent, key.name, etags
UPDATE topics SET parent=? WHERE topics.name = ? AND (left(sha2(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(concat('{"name":', (json_quote(topics.name) COLLATE utf8mb4_nopad_bin), ',"parent":', coalesce(json_quote(topics.parent) COLLATE utf8mb4_nopad_bin, 'null'), '}'), _utf8mb4 x'5c5c', ''), _utf8mb4 x'5c7530303042', _utf8mb4 x'5c7530303062'), _utf8mb4 x'5c7530303045', _utf8mb4 x'5c7530303065'), _utf8mb4 x'5c7530303046', _utf8mb4 x'5c7530303066'), _utf8mb4 x'5c7530303141', _utf8mb4 x'5c7530303161'), _utf8mb4 x'5c7530303142', _utf8mb4 x'5c7530303162'), _utf8mb4 x'5c7530303143', _utf8mb4 x'5c7530303163'), _utf8mb4 x'5c7530303144', _utf8mb4 x'5c7530303164'), _utf8mb4 x'5c7530303145', _utf8mb4 x'5c7530303165'), _utf8mb4 x'5c7530303146', _utf8mb4 x'5c7530303166'), '', _utf8mb4 x'5c5c'), 256), 32) IN ?);
-- key.name
SELECT concat('{"name":', (json_quote(topics.name) COLLATE utf8mb4_nopad_bin), ',"parent":', coalesce(json_quote(topics.parent) COLLATE utf8mb4_nopad_bin, 'null'), '}') AS j, NULL AS k
FROM topics
WHERE topics.name = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: update_if_match of Topic
-- etags, 1, 0, key.name
SELECT 1 AS c0, CASE WHEN (left(sha2(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(concat('{"name":', (json_quote(topics.name) COLLATE utf8mb4_nopad_bin), ',"parent":', coalesce(json_quote(topics.parent) COLLATE utf8mb4_nopad_bin, 'null'), '}'), _utf8mb4 x'5c5c', ''), _utf8mb4 x'5c7530303042', _utf8mb4 x'5c7530303062'), _utf8mb4 x'5c7530303045', _utf8mb4 x'5c7530303065'), _utf8mb4 x'5c7530303046', _utf8mb4 x'5c7530303066'), _utf8mb4 x'5c7530303141', _utf8mb4 x'5c7530303161'), _utf8mb4 x'5c7530303142', _utf8mb4 x'5c7530303162'), _utf8mb4 x'5c7530303143', _utf8mb4 x'5c7530303163'), _utf8mb4 x'5c7530303144', _utf8mb4 x'5c7530303164'), _utf8mb4 x'5c7530303145', _utf8mb4 x'5c7530303165'), _utf8mb4 x'5c7530303146', _utf8mb4 x'5c7530303166'), '', _utf8mb4 x'5c5c'), 256), 32) IN ?) THEN ? ELSE ? END AS c1
FROM topics
WHERE topics.name = ?;

-- update_to_many of Post
-- key.id
UPDATE posts SET id=posts.id WHERE posts.id = ?;
-- key.id
SELECT concat('{"topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t1.name) COLLATE utf8mb4_nopad_bin ORDER BY t1.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t2 INNER JOIN topics AS t1 ON true = 1
WHERE t2.post = posts.id AND t2.topic = t1.name), '}') AS j, NULL AS k
FROM posts
WHERE posts.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: update_to_many of Post
-- key.id
SELECT 1 AS c0
FROM posts
WHERE posts.id = ?;

-- operators of Post
-- set.price, set.updated, key.id, me, me, me, set.price, Decimal('9999999.99'), set.price, Decimal('-9999999.99'), set.price, set.price, Decimal('-9999999.99'), set.price, set.price, Decimal('9999999.99'), set.price, Decimal('-9999999.99'), set.price, set.price, Decimal('9999999.99'), set.price, me
UPDATE posts SET price=(coalesce(posts.price, 0) + ?), updated=? WHERE posts.id = ? AND posts.author = ? AND (posts.public = 1 OR posts.author = ?) AND posts.author = ? AND CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) >= ? ELSE ? > 0 END = 1 AND CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) <= ? ELSE ? <= 0 END = 1 AND posts.author = ?;
-- me, me, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN concat('{"id":"', posts.id, '","title":', (json_quote(posts.title) COLLATE utf8mb4_nopad_bin), CASE WHEN (posts.author = ?) THEN concat(',"price":', coalesce(concat('"', posts.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (posts.public = 0) THEN 'false' WHEN (posts.public = 1) THEN 'true' END, ',"author":"', posts.author, '","created":"', replace(date_format(posts.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(posts.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t1.name) COLLATE utf8mb4_nopad_bin ORDER BY t1.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t2 INNER JOIN topics AS t1 ON true = 1
WHERE t2.post = posts.id AND t2.topic = t1.name), '}') END AS j, NULL AS k, concat('{"price":', coalesce(concat('"', posts.price, '"'), 'null'), '}') AS d
FROM posts
WHERE posts.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: operators of Post
-- me, 1, 0, me, me, me, 1, 0, set.price, Decimal('9999999.99'), set.price, Decimal('-9999999.99'), set.price, set.price, Decimal('-9999999.99'), set.price, 1, 0, set.price, Decimal('9999999.99'), set.price, Decimal('-9999999.99'), set.price, set.price, Decimal('9999999.99'), set.price, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ? AND (posts.public = 1 OR posts.author = ?) AND posts.author = ?) THEN ? ELSE ? END AS c1, CASE WHEN CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) >= ? ELSE ? > 0 END THEN ? ELSE ? END AS c2, CASE WHEN CASE WHEN CASE WHEN (? > 0) THEN coalesce(posts.price, 0) <= (? - ?) ELSE coalesce(posts.price, 0) >= (? - ?) END THEN (coalesce(posts.price, 0) + ?) <= ? ELSE ? <= 0 END THEN ? ELSE ? END AS c3, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c4
FROM posts
WHERE posts.id = ?;

-- delete of Post
-- key.id, me
DELETE FROM posts WHERE posts.id = ? AND posts.author = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: delete of Post
-- me, 1, 0, me, 1, 0, key.id
SELECT CASE WHEN (posts.public = 1 OR posts.author = ?) THEN ? ELSE ? END AS c0, CASE WHEN (posts.author = ?) THEN ? ELSE ? END AS c1
FROM posts
WHERE posts.id = ?;

-- delete_restricted of Comment
-- key.id
DELETE FROM comments WHERE comments.id = ?;
-- change.at, change.actor, change.model, change.record, change.action, change.data
INSERT INTO abaft_changes (at, actor, model, record, action, data) VALUES (?, ?, ?, ?, ?, CAST(? AS CHAR));

-- why not: delete_restricted of Comment
-- key.id
SELECT 1 AS c0
FROM comments
WHERE comments.id = ?;
