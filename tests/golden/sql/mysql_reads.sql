-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- all: /api/posts?
-- limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c7
FROM posts AS t1 ORDER BY t1.id ASC
LIMIT ?;

-- of_anonymous: /api/posts?
-- limit
SELECT t1.id AS c0, t1.title AS c1, t1.public AS c2, t1.author AS c3, t1.created AS c4, t1.updated AS c5, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c6
FROM posts AS t1
WHERE t1.public = 1 ORDER BY t1.id ASC
LIMIT ?;

-- of_a_user: /api/posts?
-- me, me, limit
SELECT concat('{"id":"', t1.id, '","title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), CASE WHEN (t1.author = ?) THEN concat(',"price":', coalesce(concat('"', t1.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END, ',"author":"', t1.author, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name), '}') AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = 1 OR t1.author = ? ORDER BY t1.id ASC
LIMIT ?;

-- filtered: /api/posts?title=x&price[gt]=1&public=true&title[icontains]=y&price[in]=1,2
-- f0, f1, f2, f3, f4, limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c7
FROM posts AS t1
WHERE (convert(CAST(lower(convert(CAST(t1.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin) = ? AND t1.price > ? AND t1.public = ? AND locate(?, (convert(CAST(lower(convert(CAST(t1.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin)) > 0 AND (t1.price IN ?) ORDER BY t1.id ASC
LIMIT ?;

-- negated: /api/posts?title[ne]=x&price[nin]=1&price[isnull]=false
-- me, f0, me, f1, me, me, limit
SELECT concat('{"id":"', t1.id, '","title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), CASE WHEN (t1.author = ?) THEN concat(',"price":', coalesce(concat('"', t1.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END, ',"author":"', t1.author, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name), '}') AS c0, t1.id AS c1
FROM posts AS t1
WHERE (convert(CAST(lower(convert(CAST(t1.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin) != ? AND coalesce(CASE WHEN (t1.author = ?) THEN t1.price END IN ?, false) = 0 AND CASE WHEN (t1.author = ?) THEN t1.price END IS NOT NULL AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ?;

-- through_relations: /api/posts?author.name=x&topics.name=y&comments.text[startswith]=z
-- me, f0, f1, f2, f2, me, me, limit
SELECT concat('{"id":"', t1.id, '","title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), CASE WHEN (t1.author = ?) THEN concat(',"price":', coalesce(concat('"', t1.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END, ',"author":"', t1.author, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t8.name) COLLATE utf8mb4_0900_bin ORDER BY t8.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t9 INNER JOIN topics AS t8 ON true = 1
WHERE t9.post = t1.id AND t9.topic = t8.name), '}') AS c0, t1.id AS c1
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author
WHERE t2.name = ? AND (EXISTS (SELECT 1
FROM topics AS t3 INNER JOIN post_topics AS t4 ON true = 1
WHERE t4.post = t1.id AND t4.topic = t3.name AND t3.name = ?)) AND (EXISTS (SELECT 1
FROM comments AS t5
WHERE t5.post = t1.id AND t5.text >= ? AND t5.text < ? AND ((SELECT t6.public
FROM posts AS t6
WHERE t6.id = t5.post) = 1 OR (SELECT t7.author
FROM posts AS t7
WHERE t7.id = t5.post) = ?))) AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ?;

-- by_filter: /api/posts?filter=title!='x'+or+price*2>10+and+all(comments,text+contains+'y')
-- me, q0, me, q1, me, q1, q2, q3, me, me, limit
SELECT concat('{"id":"', t1.id, '","title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), CASE WHEN (t1.author = ?) THEN concat(',"price":', coalesce(concat('"', t1.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END, ',"author":"', t1.author, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t5.name) COLLATE utf8mb4_0900_bin ORDER BY t5.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t6 INNER JOIN topics AS t5 ON true = 1
WHERE t6.post = t1.id AND t6.topic = t5.name), '}') AS c0, t1.id AS c1
FROM posts AS t1
WHERE ((convert(CAST(lower(convert(CAST(t1.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin) != ? OR CASE WHEN (abs((CASE WHEN (t1.author = ?) THEN t1.price END * CAST(? AS DECIMAL(20, 0)))) < 10000000000000000) THEN CAST((CASE WHEN (t1.author = ?) THEN t1.price END * CAST(? AS DECIMAL(20, 0))) AS DECIMAL(18, 2)) END > ? AND NOT (EXISTS (SELECT 1
FROM comments AS t2
WHERE t2.post = t1.id AND locate(?, t2.text) <= 0 AND ((SELECT t3.public
FROM posts AS t3
WHERE t3.id = t2.post) = 1 OR (SELECT t4.author
FROM posts AS t4
WHERE t4.id = t2.post) = ?)))) AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ?;

-- by_reckoned: /api/posts?filter=created%2B7d>now+and+count(topics)>1+and+abs(price-1)<0.5
-- q0, q0, q0, q1, q2, q3, q3, q4, limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t5.name) COLLATE utf8mb4_0900_bin ORDER BY t5.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t6 INNER JOIN topics AS t5 ON true = 1
WHERE t6.post = t1.id AND t6.topic = t5.name) AS c7
FROM posts AS t1
WHERE CASE WHEN (? >= (0 - timestampdiff(MICROSECOND, TIMESTAMP'0001-01-01 00:00:00', t1.created)) AND ? <= timestampdiff(MICROSECOND, t1.created, TIMESTAMP'9999-12-31 23:59:59.999999')) THEN date_add(t1.created, INTERVAL (CAST(? AS SIGNED)) MICROSECOND) END > ? AND (SELECT count(*) AS count_1
FROM topics AS t2 INNER JOIN post_topics AS t3 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) > ? AND (SELECT CASE WHEN (abs(abs(f4.v0)) < 10000000000000000) THEN CAST(abs(f4.v0) AS DECIMAL(18, 2)) END AS anon_2
FROM LATERAL (SELECT CASE WHEN (abs((t1.price - CAST(? AS DECIMAL(20, 0)))) < 10000000000000000) THEN CAST((t1.price - CAST(? AS DECIMAL(20, 0))) AS DECIMAL(18, 2)) END AS v0) AS f4) < ? ORDER BY t1.id ASC
LIMIT ?;

-- sorted: /api/posts?sort=-price,author.name
-- limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t3.name) COLLATE utf8mb4_0900_bin ORDER BY t3.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t4 INNER JOIN topics AS t3 ON true = 1
WHERE t4.post = t1.id AND t4.topic = t3.name) AS c7, t2.name AS c8
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author ORDER BY t1.price IS NULL DESC, t1.price DESC, t2.name ASC, t1.id ASC
LIMIT ?;

-- expanded: /api/posts?expand=author,topics.parent,comments&fields=title
-- me, me, me, limit
SELECT t1.title AS c0, coalesce(CASE WHEN (t2.id IS NOT NULL) THEN concat('{"id":"', t2.id, '","name":', (json_quote(t2.name) COLLATE utf8mb4_0900_bin), CASE WHEN (t2.id = ?) THEN concat(',"email":', coalesce(json_quote(t2.email) COLLATE utf8mb4_0900_bin, 'null')) ELSE '' END, ',"created":"', replace(date_format(t2.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t2.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"}') END, concat('"', t1.author, '"')) AS c1, (SELECT concat('[', coalesce(group_concat(r_t3.j ORDER BY r_t3.n SEPARATOR ','), ''), ']') AS anon_1
FROM (SELECT concat('{"name":', (json_quote(t3.name) COLLATE utf8mb4_0900_bin), ',"parent":', coalesce((SELECT concat('{"name":', (json_quote(t5.name) COLLATE utf8mb4_0900_bin), ',"parent":', coalesce(json_quote(t5.parent) COLLATE utf8mb4_0900_bin, 'null'), '}') AS anon_2
FROM topics AS t5
WHERE t5.name = t3.parent), coalesce(json_quote(t3.parent) COLLATE utf8mb4_0900_bin, 'null')), '}') AS j, row_number() OVER (ORDER BY t3.name ASC) AS n
FROM post_topics AS t4 INNER JOIN topics AS t3 ON true = 1
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC
LIMIT 100) AS r_t3) AS c2, (SELECT concat('[', coalesce(group_concat(r_t6.j ORDER BY r_t6.n SEPARATOR ','), ''), ']') AS anon_3
FROM (SELECT concat('{"id":"', t6.id, '","post":"', t6.post, '","text":', (json_quote(t6.text) COLLATE utf8mb4_0900_bin), ',"created":"', replace(date_format(t6.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t6.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"}') AS j, row_number() OVER (ORDER BY t6.id ASC) AS n
FROM comments AS t6
WHERE t6.post = t1.id AND ((SELECT t7.public
FROM posts AS t7
WHERE t7.id = t6.post) = 1 OR (SELECT t8.author
FROM posts AS t8
WHERE t8.id = t6.post) = ?) ORDER BY t6.id ASC
LIMIT 100) AS r_t6) AS c3, t1.id AS c4
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author
WHERE t1.public = 1 OR t1.author = ? ORDER BY t1.id ASC
LIMIT ?;

-- counted: /api/posts?count=exact&offset=1&title=x
-- me, f2, me, f2, me, offset, limit
SELECT concat('{"id":"', t1.id, '","title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), CASE WHEN (t1.author = ?) THEN concat(',"price":', coalesce(concat('"', t1.price, '"'), 'null')) ELSE '' END, ',"public":', CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END, ',"author":"', t1.author, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","topics":', (SELECT concat('[', coalesce(group_concat(json_quote(t3.name) COLLATE utf8mb4_0900_bin ORDER BY t3.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t4 INNER JOIN topics AS t3 ON true = 1
WHERE t4.post = t1.id AND t4.topic = t3.name), '}') AS c0, t1.id AS c1, (SELECT count(*) AS count_1
FROM posts AS t2
WHERE (convert(CAST(lower(convert(CAST(t2.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin) = ? AND (t2.public = 1 OR t2.author = ?)) AS c2
FROM posts AS t1
WHERE (convert(CAST(lower(convert(CAST(t1.title AS BINARY) using hebrew)) AS BINARY) using utf8mb4) COLLATE utf8mb4_0900_bin) = ? AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ?, ?;

-- after_a_cursor
-- after0, limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c7
FROM posts AS t1
WHERE (t1.id) > (?) ORDER BY t1.id ASC
LIMIT ?;

-- after_a_cursor_sorted
-- after0, after0, after0, after1, limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c7
FROM posts AS t1
WHERE t1.price <= ? AND (t1.price < ? OR t1.price = ? AND t1.id < ?) ORDER BY t1.price IS NULL DESC, t1.price DESC, t1.id DESC
LIMIT ?;

-- after_a_null
-- after1, after1, after2, limit
SELECT t1.id AS c0, t1.title AS c1, t1.price AS c2, t1.public AS c3, t1.author AS c4, t1.created AS c5, t1.updated AS c6, (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_0900_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM post_topics AS t3 INNER JOIN topics AS t2 ON true = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) AS c7
FROM posts AS t1
WHERE t1.price IS NULL AND (t1.price IS NULL AND t1.created < ? OR t1.price IS NULL AND t1.created = ? AND t1.id < ?) ORDER BY t1.price IS NULL, t1.price ASC, t1.created DESC, t1.id DESC
LIMIT ?;
