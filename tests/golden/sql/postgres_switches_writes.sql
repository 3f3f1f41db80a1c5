-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- a soft delete
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.deleted, key.name
WITH w AS
(UPDATE boards SET deleted=$7::TIMESTAMP WITH TIME ZONE WHERE boards.name = $8::VARCHAR COLLATE "C" AND boards.deleted IS NULL RETURNING boards.name, boards.deleted),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
 SELECT NULL AS j, NULL AS k
FROM w;

-- a soft delete: what goes along
-- constant, constant, key.name
SELECT cards.name, CASE WHEN true THEN $1::INTEGER ELSE $2::INTEGER END AS anon_1
FROM cards
WHERE cards.board = $3::VARCHAR COLLATE "C" AND cards.deleted IS NULL FOR UPDATE;

-- a restore
-- change.at, change.actor, change.model, change.record, change.action, change.data, set.deleted, key.name
WITH w AS
(UPDATE boards SET deleted=$7::TIMESTAMP WITH TIME ZONE WHERE boards.name = $8::VARCHAR COLLATE "C" AND boards.deleted IS NOT NULL RETURNING boards.name, boards.deleted),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
 SELECT CASE WHEN (w.deleted IS NULL) THEN '{"name":' || CAST(to_json(w.name) AS TEXT) || ',"deleted":' || coalesce('"' || replace(to_char(timezone('UTC', w.deleted), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"', 'null') || '}' END AS j, NULL AS k
FROM w;

-- a purge
-- change.at, change.actor, change.model, change.record, change.action, change.data, key.name
WITH w AS
(DELETE FROM boards WHERE boards.name = $7::VARCHAR COLLATE "C" RETURNING boards.name, boards.deleted),
c AS
(INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST($6::VARCHAR COLLATE "C" AS JSONB) AS anon_6
FROM w)
 SELECT NULL AS j, NULL AS k
FROM w;

-- a move
-- set.position, key.name
WITH w AS
(UPDATE cards SET position=$1::VARCHAR COLLATE "C" WHERE cards.name = $2::VARCHAR COLLATE "C" AND cards.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t1 JOIN cards AS t2 ON true
WHERE t1.name = cards.board AND t1.deleted IS NULL AND t2.board = t1.name AND t2.open = true AND t2.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t3 JOIN card_marks AS t4 ON true
WHERE t4.card = cards.name AND t4.mark = t3.name)) AND (EXISTS (SELECT 1
FROM boards AS t5 JOIN cards AS t6 ON true
WHERE t5.name = cards.board AND t5.deleted IS NULL AND t6.board = t5.name AND t6.open = true AND t6.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t7 JOIN card_marks AS t8 ON true
WHERE t8.card = cards.name AND t8.mark = t7.name)) RETURNING cards.name, cards.slug, cards.open, cards.secret, cards.board, cards.deleted, cards.position)
 SELECT CASE WHEN (w.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t9 JOIN cards AS t10 ON true
WHERE t9.name = w.board AND t9.deleted IS NULL AND t10.board = t9.name AND t10.open = true AND t10.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t11 JOIN card_marks AS t12 ON true
WHERE t12.card = w.name AND t12.mark = t11.name))) THEN '{"name":' || CAST(to_json(w.name) AS TEXT) || '}' END AS j, NULL AS k
FROM w;

-- a move: lock
-- list
SELECT pg_advisory_xact_lock(hashtextextended('abaft.cards.position.' || coalesce(CAST($1::VARCHAR COLLATE "C" AS TEXT), ''), 0)) AS pg_advisory_xact_lock_1;

-- a move: anchor
-- anchor.name, list
SELECT t1.position
FROM cards AS t1
WHERE t1.name = $1::VARCHAR COLLATE "C" AND t1.board = $2::VARCHAR COLLATE "C" AND t1.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t2 JOIN cards AS t3 ON true
WHERE t2.name = t1.board AND t2.deleted IS NULL AND t3.board = t2.name AND t3.open = true AND t3.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t4 JOIN card_marks AS t5 ON true
WHERE t5.card = t1.name AND t5.mark = t4.name));

-- a move: below
-- list, place, key.name
SELECT max(t1.position) AS max_1
FROM cards AS t1
WHERE t1.board = $1::VARCHAR COLLATE "C" AND t1.position < $2::VARCHAR COLLATE "C" AND t1.name != $3::VARCHAR COLLATE "C";

-- a move: listed
-- constant, constant, list
SELECT cards.name, CASE WHEN true THEN $1::INTEGER ELSE $2::INTEGER END AS anon_1
FROM cards
WHERE cards.board = $3::VARCHAR COLLATE "C" ORDER BY cards.position FOR UPDATE;

-- a change whole
-- change.at, change.actor, change.model, change.record, change.action, key.name
INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT $1::TIMESTAMP WITH TIME ZONE AS anon_1, $2::VARCHAR COLLATE "C" AS anon_2, $3::VARCHAR COLLATE "C" AS anon_3, $4::VARCHAR COLLATE "C" AS anon_4, $5::VARCHAR COLLATE "C" AS anon_5, CAST('{"name":' || CAST(to_json(t1.name) AS TEXT) || ',"slug":' || CAST(to_json(t1.slug) AS TEXT) || ',"open":' || CASE WHEN (t1.open IS true) THEN 'true' WHEN (t1.open IS false) THEN 'false' END || ',"board":' || CAST(to_json(t1.board) AS TEXT) || ',"deleted":' || coalesce('"' || replace(to_char(timezone('UTC', t1.deleted), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"', 'null') || ',"position":' || CAST(to_json(t1.position) AS TEXT) || ',"marks":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_7
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM card_marks AS t3 JOIN marks AS t2 ON true
WHERE t3.card = t1.name AND t3.mark = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS JSONB) AS anon_6
FROM cards AS t1
WHERE t1.name = $6::VARCHAR COLLATE "C";

-- what was before
-- change.record, constant, constant, key.name
SELECT '{"name":' || CAST(to_json(t1.name) AS TEXT) || ',"slug":' || CAST(to_json(t1.slug) AS TEXT) || ',"open":' || CASE WHEN (t1.open IS true) THEN 'true' WHEN (t1.open IS false) THEN 'false' END || ',"board":' || CAST(to_json(t1.board) AS TEXT) || ',"deleted":' || coalesce('"' || replace(to_char(timezone('UTC', t1.deleted), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"', 'null') || ',"position":' || CAST(to_json(t1.position) AS TEXT) || ',"marks":' || (SELECT '[' || coalesce(string_agg(r_t2.j, ','), '') || ']' AS anon_1
FROM (SELECT CAST(to_json(t2.name) AS TEXT) AS j
FROM card_marks AS t3 JOIN marks AS t2 ON true
WHERE t3.card = t1.name AND t3.mark = t2.name ORDER BY t2.name ASC) AS r_t2) || '}' AS j, CASE WHEN coalesce((SELECT jsonb_exists(abaft_changes.data, 'name') AS jsonb_exists_1
FROM abaft_changes
WHERE abaft_changes.model = 'Card' AND abaft_changes.record = $1::VARCHAR COLLATE "C" ORDER BY abaft_changes.seq DESC
 LIMIT 1), false) THEN $2::INTEGER ELSE $3::INTEGER END AS k
FROM cards AS t1
WHERE t1.name = $4::VARCHAR COLLATE "C" FOR UPDATE OF t1;
