-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- all: /api/posts?
-- limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1 ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- of_anonymous: /api/posts?
-- limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = 1 ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- of_a_user: /api/posts?
-- me, me, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || CASE WHEN (t1.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = 1 OR t1.author = ? ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- filtered: /api/posts?title=x&price[gt]=1&public=true&title[icontains]=y&price[in]=1,2
-- f0, f1, f2, f3, f4, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE lower(t1.title) = ? AND t1.price > ? AND t1.public = ? AND instr(lower(t1.title), ?) > 0 AND t1.price IN (SELECT anon_2.value
FROM json_each(?) AS anon_2) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- negated: /api/posts?title[ne]=x&price[nin]=1&price[isnull]=false
-- me, f0, me, f1, me, me, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || CASE WHEN (t1.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE lower(t1.title) != ? AND coalesce(CASE WHEN (t1.author = ?) THEN t1.price END IN (SELECT anon_2.value
FROM json_each(?) AS anon_2), 0) = 0 AND CASE WHEN (t1.author = ?) THEN t1.price END IS NOT NULL AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- through_relations: /api/posts?author.name=x&topics.name=y&comments.text[startswith]=z
-- me, f0, f1, f2, f2, me, me, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || CASE WHEN (t1.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t8.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t8.name) AS j
FROM post_topics AS t9 JOIN topics AS t8 ON 1 = 1
WHERE t9.post = t1.id AND t9.topic = t8.name ORDER BY t8.name ASC) AS r_t8) || '}' AS c0, t1.id AS c1
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author
WHERE t2.name = ? AND (EXISTS (SELECT 1
FROM topics AS t3 JOIN post_topics AS t4 ON 1 = 1
WHERE t4.post = t1.id AND t4.topic = t3.name AND t3.name = ?)) AND (EXISTS (SELECT 1
FROM comments AS t5
WHERE t5.post = t1.id AND t5.text >= ? AND t5.text < ? AND ((SELECT t6.public
FROM posts AS t6
WHERE t6.id = t5.post) = 1 OR (SELECT t7.author
FROM posts AS t7
WHERE t7.id = t5.post) = ?))) AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- by_filter: /api/posts?filter=title!='x'+or+price*2>10+and+all(comments,text+contains+'y')
-- me, q0, me, q1, me, q1, me, q1, me, q1, q2, q3, me, me, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || CASE WHEN (t1.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t5.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t5.name) AS j
FROM post_topics AS t6 JOIN topics AS t5 ON 1 = 1
WHERE t6.post = t1.id AND t6.topic = t5.name ORDER BY t5.name ASC) AS r_t5) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE (lower(t1.title) != ? OR CASE WHEN (typeof((CASE WHEN (t1.author = ?) THEN t1.price END * ?)) = 'integer' AND (CASE WHEN (t1.author = ?) THEN t1.price END * ?) < 1000000000000000000 AND (CASE WHEN (t1.author = ?) THEN t1.price END * ?) > -1000000000000000000) THEN (CASE WHEN (t1.author = ?) THEN t1.price END * ?) END > ? AND NOT (EXISTS (SELECT 1
FROM comments AS t2
WHERE t2.post = t1.id AND instr(t2.text, ?) <= 0 AND ((SELECT t3.public
FROM posts AS t3
WHERE t3.id = t2.post) = 1 OR (SELECT t4.author
FROM posts AS t4
WHERE t4.id = t2.post) = ?)))) AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- by_reckoned: /api/posts?filter=created%2B7d>now+and+count(topics)>1+and+abs(price-1)<0.5
-- q0, q0, q0, q0, q1, q2, q3, q3, q3, q3, q4, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t5.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t5.name) AS j
FROM post_topics AS t6 JOIN topics AS t5 ON 1 = 1
WHERE t6.post = t1.id AND t6.topic = t5.name ORDER BY t5.name ASC) AS r_t5) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE CASE WHEN ((((unixepoch(substr(t1.created, 1, 19)) * 1000000) + CAST(substr(t1.created, 21, 6) AS INTEGER)) + ?) BETWEEN -62135596800000000 AND 253402300799999999) THEN strftime('%Y-%m-%dT%H:%M:%S.', (((((unixepoch(substr(t1.created, 1, 19)) * 1000000) + CAST(substr(t1.created, 21, 6) AS INTEGER)) + ?) - ((((((unixepoch(substr(t1.created, 1, 19)) * 1000000) + CAST(substr(t1.created, 21, 6) AS INTEGER)) + ?) % 1000000) + 1000000) % 1000000)) / 1000000), 'unixepoch') || format('%06d', ((((((unixepoch(substr(t1.created, 1, 19)) * 1000000) + CAST(substr(t1.created, 21, 6) AS INTEGER)) + ?) % 1000000) + 1000000) % 1000000)) || 'Z' END > ? AND (SELECT count(*) AS count_1
FROM topics AS t2 JOIN post_topics AS t3 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name) > ? AND (SELECT CASE WHEN (typeof(CASE WHEN (f4.v0 < 0) THEN (0 - f4.v0) ELSE f4.v0 END) = 'integer' AND CASE WHEN (f4.v0 < 0) THEN (0 - f4.v0) ELSE f4.v0 END < 1000000000000000000 AND CASE WHEN (f4.v0 < 0) THEN (0 - f4.v0) ELSE f4.v0 END > -1000000000000000000) THEN CASE WHEN (f4.v0 < 0) THEN (0 - f4.v0) ELSE f4.v0 END END AS anon_2
FROM (SELECT CASE WHEN (typeof((t1.price - (? * 100))) = 'integer' AND (t1.price - (? * 100)) < 1000000000000000000 AND (t1.price - (? * 100)) > -1000000000000000000) THEN (t1.price - (? * 100)) END AS v0) AS f4) < ? ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- sorted: /api/posts?sort=-price,author.name
-- limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t3.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t3.name) AS j
FROM post_topics AS t4 JOIN topics AS t3 ON 1 = 1
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC) AS r_t3) || '}' AS c0, t1.price AS c1, t2.name AS c2, t1.id AS c3
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author ORDER BY t1.price DESC NULLS FIRST, t2.name ASC, t1.id ASC
LIMIT ? OFFSET ?;

-- expanded: /api/posts?expand=author,topics.parent,comments&fields=title
-- me, 0, me, 0, me, limit, 0
SELECT '{"title":' || json_quote(t1.title) || ',"author":' || coalesce((SELECT '{"id":"' || t2.id || '","name":' || json_quote(t2.name) || CASE WHEN (t2.id = ?) THEN ',"email":' || coalesce(json_quote(t2.email), 'null') ELSE '' END || ',"created":"' || replace(t2.created, '.000000Z', 'Z') || '","updated":"' || replace(t2.updated, '.000000Z', 'Z') || '"}' AS anon_1
FROM users AS t2
WHERE t2.id = t1.author), '"' || t1.author || '"') || ',"topics":' || (SELECT '[' || coalesce(group_concat(r_t3.j, ','), '') || ']' AS anon_2
FROM (SELECT '{"name":' || json_quote(t3.name) || ',"parent":' || coalesce((SELECT '{"name":' || json_quote(t5.name) || ',"parent":' || coalesce(json_quote(t5.parent), 'null') || '}' AS anon_3
FROM topics AS t5
WHERE t5.name = t3.parent), coalesce(json_quote(t3.parent), 'null')) || '}' AS j
FROM post_topics AS t4 JOIN topics AS t3 ON 1 = 1
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC
LIMIT 100 OFFSET ?) AS r_t3) || ',"comments":' || (SELECT '[' || coalesce(group_concat(r_t6.j, ','), '') || ']' AS anon_4
FROM (SELECT '{"id":"' || t6.id || '","post":"' || t6.post || '","text":' || json_quote(t6.text) || ',"created":"' || replace(t6.created, '.000000Z', 'Z') || '","updated":"' || replace(t6.updated, '.000000Z', 'Z') || '"}' AS j
FROM comments AS t6
WHERE t6.post = t1.id AND ((SELECT t7.public
FROM posts AS t7
WHERE t7.id = t6.post) = 1 OR (SELECT t8.author
FROM posts AS t8
WHERE t8.id = t6.post) = ?) ORDER BY t6.id ASC
LIMIT 100 OFFSET ?) AS r_t6) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = 1 OR t1.author = ? ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- counted: /api/posts?count=exact&offset=1&title=x
-- me, f2, me, f2, me, limit, offset
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || CASE WHEN (t1.author = ?) THEN ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t3.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t3.name) AS j
FROM post_topics AS t4 JOIN topics AS t3 ON 1 = 1
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC) AS r_t3) || '}' AS c0, t1.id AS c1, (SELECT count(*) AS count_1
FROM posts AS t2
WHERE lower(t2.title) = ? AND (t2.public = 1 OR t2.author = ?)) AS c2
FROM posts AS t1
WHERE lower(t1.title) = ? AND (t1.public = 1 OR t1.author = ?) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- after_a_cursor
-- after0, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE (t1.id) > (?) ORDER BY t1.id ASC
LIMIT ? OFFSET ?;

-- after_a_cursor_sorted
-- after0, after0, after0, after1, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.price AS c1, t1.id AS c2
FROM posts AS t1
WHERE t1.price <= ? AND (t1.price < ? OR t1.price = ? AND t1.id < ?) ORDER BY t1.price DESC NULLS FIRST, t1.id DESC
LIMIT ? OFFSET ?;

-- after_a_null
-- after1, after1, after2, limit, 0
SELECT '{"id":"' || t1.id || '","title":' || json_quote(t1.title) || ',"price":' || coalesce('"' || CASE WHEN (t1.price < 0) THEN '-' ELSE '' END || (abs(t1.price) / 100) || '.' || substr('00' || (abs(t1.price) % 100), -2) || '"', 'null') || ',"public":' || CASE WHEN (t1.public = 0) THEN 'false' WHEN (t1.public = 1) THEN 'true' END || ',"author":"' || t1.author || '","created":"' || replace(t1.created, '.000000Z', 'Z') || '","updated":"' || replace(t1.updated, '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(group_concat(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT json_quote(t2.name) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON 1 = 1
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.price AS c1, t1.created AS c2, t1.id AS c3
FROM posts AS t1
WHERE t1.price IS NULL AND (t1.price IS NULL AND t1.created < ? OR t1.price IS NULL AND t1.created = ? AND t1.id < ?) ORDER BY t1.price ASC NULLS LAST, t1.created DESC, t1.id DESC
LIMIT ? OFFSET ?;
