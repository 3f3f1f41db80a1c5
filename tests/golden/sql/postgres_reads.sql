-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- all: /api/posts?
-- limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1 ORDER BY t1.id ASC
LIMIT $1::BIGINT;

-- of_anonymous: /api/posts?
-- limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = true ORDER BY t1.id ASC
LIMIT $1::BIGINT;

-- of_a_user: /api/posts?
-- me, me, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || CASE WHEN (t1.author = $1::UUID) THEN ',"price":' || coalesce('"' || t1.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = true OR t1.author = $2::UUID ORDER BY t1.id ASC
LIMIT $3::BIGINT;

-- filtered: /api/posts?title=x&price[gt]=1&public=true&title[icontains]=y&price[in]=1,2
-- f0, f1, f2, f3, f4, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE lower(t1.title) = $1::VARCHAR COLLATE "C" AND t1.price > $2::NUMERIC(9, 2) AND t1.public = $3::BOOLEAN AND strpos(lower(t1.title), $4::VARCHAR COLLATE "C") > 0 AND t1.price = ANY ($5::NUMERIC(9, 2)[]) ORDER BY t1.id ASC
LIMIT $6::BIGINT;

-- negated: /api/posts?title[ne]=x&price[nin]=1&price[isnull]=false
-- me, f0, me, f1, me, me, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || CASE WHEN (t1.author = $1::UUID) THEN ',"price":' || coalesce('"' || t1.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE lower(t1.title) != $2::VARCHAR COLLATE "C" AND NOT coalesce(CASE WHEN (t1.author = $3::UUID) THEN t1.price END = ANY ($4::NUMERIC(9, 2)[]), false) AND CASE WHEN (t1.author = $5::UUID) THEN t1.price END IS NOT NULL AND (t1.public = true OR t1.author = $6::UUID) ORDER BY t1.id ASC
LIMIT $7::BIGINT;

-- through_relations: /api/posts?author.name=x&topics.name=y&comments.text[startswith]=z
-- me, f0, f1, f2, f2, me, me, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || CASE WHEN (t1.author = $1::UUID) THEN ',"price":' || coalesce('"' || t1.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t8.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t8.name) AS TEXT) AS j
FROM post_topics AS t9 JOIN topics AS t8 ON true
WHERE t9.post = t1.id AND t9.topic = t8.name ORDER BY t8.name ASC) AS r_t8) || '}' AS c0, t1.id AS c1
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author
WHERE t2.name = $2::VARCHAR COLLATE "C" AND (EXISTS (SELECT 1
FROM topics AS t3 JOIN post_topics AS t4 ON true
WHERE t4.post = t1.id AND t4.topic = t3.name AND t3.name = $3::VARCHAR COLLATE "C")) AND (EXISTS (SELECT 1
FROM comments AS t5
WHERE t5.post = t1.id AND t5.text >= $4::VARCHAR COLLATE "C" AND t5.text < $5::VARCHAR COLLATE "C" AND ((SELECT t6.public
FROM posts AS t6
WHERE t6.id = t5.post) = true OR (SELECT t7.author
FROM posts AS t7
WHERE t7.id = t5.post) = $6::UUID))) AND (t1.public = true OR t1.author = $7::UUID) ORDER BY t1.id ASC
LIMIT $8::BIGINT;

-- by_filter: /api/posts?filter=title!='x'+or+price*2>10+and+all(comments,text+contains+'y')
-- me, q0, me, q1, q2, q3, me, me, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || CASE WHEN (t1.author = $1::UUID) THEN ',"price":' || coalesce('"' || t1.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t5.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t5.name) AS TEXT) AS j
FROM post_topics AS t6 JOIN topics AS t5 ON true
WHERE t6.post = t1.id AND t6.topic = t5.name ORDER BY t5.name ASC) AS r_t5) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE (lower(t1.title) != $2::VARCHAR COLLATE "C" OR CASE WHEN (abs((CAST(CASE WHEN (t1.author = $3::UUID) THEN t1.price END AS NUMERIC) * CAST($4::BIGINT AS NUMERIC))) < 10000000000000000) THEN CAST((CAST(CASE WHEN (t1.author = $3::UUID) THEN t1.price END AS NUMERIC) * CAST($4::BIGINT AS NUMERIC)) AS NUMERIC(18, 2)) END > $5::NUMERIC(18, 2) AND NOT (EXISTS (SELECT 1
FROM comments AS t2
WHERE t2.post = t1.id AND strpos(t2.text, $6::VARCHAR COLLATE "C") <= 0 AND ((SELECT t3.public
FROM posts AS t3
WHERE t3.id = t2.post) = true OR (SELECT t4.author
FROM posts AS t4
WHERE t4.id = t2.post) = $7::UUID)))) AND (t1.public = true OR t1.author = $8::UUID) ORDER BY t1.id ASC
LIMIT $9::BIGINT;

-- by_reckoned: /api/posts?filter=created%2B7d>now+and+count(topics)>1+and+abs(price-1)<0.5
-- q0, q1, q2, q3, q4, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t5.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t5.name) AS TEXT) AS j
FROM post_topics AS t6 JOIN topics AS t5 ON true
WHERE t6.post = t1.id AND t6.topic = t5.name ORDER BY t5.name ASC) AS r_t5) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE CASE WHEN (make_interval(0, 0, 0, CAST(($1::BIGINT / 86400000000) AS INTEGER), 0, 0, (CAST(($1::BIGINT % 86400000000) AS DOUBLE PRECISION) / 1e6::float8)) BETWEEN (timestamp '0001-01-01' - timezone('UTC', t1.created)) AND (timestamp '9999-12-31 23:59:59.999999' - timezone('UTC', t1.created))) THEN timezone('UTC', (timezone('UTC', t1.created) + make_interval(0, 0, 0, CAST(($1::BIGINT / 86400000000) AS INTEGER), 0, 0, (CAST(($1::BIGINT % 86400000000) AS DOUBLE PRECISION) / 1e6::float8)))) END > $2::TIMESTAMP WITH TIME ZONE AND (SELECT count(*) AS count_1
FROM topics AS t2 JOIN post_topics AS t3 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name) > $3::BIGINT AND (SELECT CASE WHEN (abs(abs(CAST(f4.v0 AS NUMERIC))) < 10000000000000000) THEN CAST(abs(CAST(f4.v0 AS NUMERIC)) AS NUMERIC(18, 2)) END AS anon_2
FROM (SELECT CASE WHEN (abs((CAST(t1.price AS NUMERIC) - CAST($4::BIGINT AS NUMERIC))) < 10000000000000000) THEN CAST((CAST(t1.price AS NUMERIC) - CAST($4::BIGINT AS NUMERIC)) AS NUMERIC(18, 2)) END AS v0
LIMIT ALL OFFSET 0) AS f4) < $5::NUMERIC(18, 2) ORDER BY t1.id ASC
LIMIT $6::BIGINT;

-- sorted: /api/posts?sort=-price,author.name
-- limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t3.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t3.name) AS TEXT) AS j
FROM post_topics AS t4 JOIN topics AS t3 ON true
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC) AS r_t3) || '}' AS c0, t1.price AS c1, t2.name AS c2, t1.id AS c3
FROM posts AS t1 LEFT OUTER JOIN users AS t2 ON t2.id = t1.author ORDER BY t1.price DESC NULLS FIRST, t2.name ASC, t1.id ASC
LIMIT $1::BIGINT;

-- expanded: /api/posts?expand=author,topics.parent,comments&fields=title
-- me, me, me, limit
SELECT '{"title":' || CAST(to_json(t1.title) AS TEXT) || ',"author":' || coalesce((SELECT '{"id":"' || t2.id || '","name":' || CAST(to_json(t2.name) AS TEXT) || CASE WHEN (t2.id = $1::UUID) THEN ',"email":' || coalesce(CAST(to_json(t2.email) AS TEXT), 'null') ELSE '' END || ',"created":"' || replace(to_char(timezone('UTC', t2.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t2.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' AS anon_1
FROM users AS t2
WHERE t2.id = t1.author), '"' || t1.author || '"') || ',"topics":' || (SELECT '[' || coalesce(string_agg(r_t3.j, ','), '') || ']' AS anon_2
FROM (SELECT '{"name":' || CAST(to_json(t3.name) AS TEXT) || ',"parent":' || coalesce((SELECT '{"name":' || CAST(to_json(t5.name) AS TEXT) || ',"parent":' || coalesce(CAST(to_json(t5.parent) AS TEXT), 'null') || '}' AS anon_3
FROM topics AS t5
WHERE t5.name = t3.parent), coalesce(CAST(to_json(t3.parent) AS TEXT), 'null')) || '}' AS j
FROM post_topics AS t4 JOIN topics AS t3 ON true
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC
LIMIT 100) AS r_t3) || ',"comments":' || (SELECT '[' || coalesce(string_agg(r_t6.j, ','), '') || ']' AS anon_4
FROM (SELECT '{"id":"' || t6.id || '","post":"' || t6.post || '","text":' || CAST(to_json(t6.text) AS TEXT) || ',"created":"' || replace(to_char(timezone('UTC', t6.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t6.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' AS j
FROM comments AS t6
WHERE t6.post = t1.id AND ((SELECT t7.public
FROM posts AS t7
WHERE t7.id = t6.post) = true OR (SELECT t8.author
FROM posts AS t8
WHERE t8.id = t6.post) = $2::UUID) ORDER BY t6.id ASC
LIMIT 100) AS r_t6) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE t1.public = true OR t1.author = $3::UUID ORDER BY t1.id ASC
LIMIT $4::BIGINT;

-- counted: /api/posts?count=exact&offset=1&title=x
-- me, f2, me, me, limit, offset
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || CASE WHEN (t1.author = $1::UUID) THEN ',"price":' || coalesce('"' || t1.price || '"', 'null') ELSE '' END || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t3.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t3.name) AS TEXT) AS j
FROM post_topics AS t4 JOIN topics AS t3 ON true
WHERE t4.post = t1.id AND t4.topic = t3.name ORDER BY t3.name ASC) AS r_t3) || '}' AS c0, t1.id AS c1, (SELECT count(*) AS count_1
FROM posts AS t2
WHERE lower(t2.title) = $2::VARCHAR COLLATE "C" AND (t2.public = true OR t2.author = $3::UUID)) AS c2
FROM posts AS t1
WHERE lower(t1.title) = $2::VARCHAR COLLATE "C" AND (t1.public = true OR t1.author = $4::UUID) ORDER BY t1.id ASC
LIMIT $5::BIGINT OFFSET $6::BIGINT;

-- after_a_cursor
-- after0, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.id AS c1
FROM posts AS t1
WHERE (t1.id) > ($1::UUID) ORDER BY t1.id ASC
LIMIT $2::BIGINT;

-- after_a_cursor_sorted
-- after0, after1, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.price AS c1, t1.id AS c2
FROM posts AS t1
WHERE t1.price <= $1::NUMERIC(9, 2) AND (t1.price < $1::NUMERIC(9, 2) OR t1.price = $1::NUMERIC(9, 2) AND t1.id < $2::UUID) ORDER BY t1.price DESC NULLS FIRST, t1.id DESC
LIMIT $3::BIGINT;

-- after_a_null
-- after1, after2, limit
SELECT '{"id":"' || t1.id || '","title":' || CAST(to_json(t1.title) AS TEXT) || ',"price":' || coalesce('"' || t1.price || '"', 'null') || ',"public":' || CASE WHEN (t1.public IS true) THEN 'true' WHEN (t1.public IS false) THEN 'false' END || ',"author":"' || t1.author || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","topics":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM post_topics AS t3 JOIN topics AS t2 ON true
WHERE t3.post = t1.id AND t3.topic = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS c0, t1.price AS c1, t1.created AS c2, t1.id AS c3
FROM posts AS t1
WHERE t1.price IS NULL AND (t1.price IS NULL AND t1.created < $1::TIMESTAMP WITH TIME ZONE OR t1.price IS NULL AND t1.created = $1::TIMESTAMP WITH TIME ZONE AND t1.id < $2::UUID) ORDER BY t1.price ASC NULLS LAST, t1.created DESC, t1.id DESC
LIMIT $3::BIGINT;
