-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- a soft delete
-- set.deleted, key.name
UPDATE boards SET deleted=? WHERE boards.name = ? AND boards.deleted IS NULL RETURNING NULL AS j, NULL AS k;

-- a soft delete: what goes along
-- constant, constant, key.name
SELECT cards.name, CASE WHEN true THEN ? ELSE ? END AS anon_1
FROM cards
WHERE cards.board = ? AND cards.deleted IS NULL FOR UPDATE;

-- a restore
-- set.deleted, key.name
UPDATE boards SET deleted=? WHERE boards.name = ? AND boards.deleted IS NOT NULL RETURNING CASE WHEN (boards.deleted IS NULL) THEN concat('{"name":', (json_quote(boards.name) COLLATE utf8mb4_nopad_bin), ',"deleted":', coalesce(concat('"', replace(date_format(boards.deleted, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"'), 'null'), '}') END AS j, NULL AS k;

-- a purge
-- key.name
DELETE FROM boards WHERE boards.name = ? RETURNING NULL AS j, NULL AS k;

-- a move
-- set.position, key.name
UPDATE cards SET position=? WHERE cards.name = ? AND cards.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t1 INNER JOIN cards AS t2 ON true = 1
WHERE t1.name = cards.board AND t1.deleted IS NULL AND t2.board = t1.name AND t2.open = 1 AND t2.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t3 INNER JOIN card_marks AS t4 ON true = 1
WHERE t4.card = cards.name AND t4.mark = t3.name)) AND (EXISTS (SELECT 1
FROM boards AS t5 INNER JOIN cards AS t6 ON true = 1
WHERE t5.name = cards.board AND t5.deleted IS NULL AND t6.board = t5.name AND t6.open = 1 AND t6.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t7 INNER JOIN card_marks AS t8 ON true = 1
WHERE t8.card = cards.name AND t8.mark = t7.name)) RETURNING CASE WHEN (cards.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t9 INNER JOIN cards AS t10 ON true = 1
WHERE t9.name = cards.board AND t9.deleted IS NULL AND t10.board = t9.name AND t10.open = 1 AND t10.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t11 INNER JOIN card_marks AS t12 ON true = 1
WHERE t12.card = cards.name AND t12.mark = t11.name))) THEN concat('{"name":', (json_quote(cards.name) COLLATE utf8mb4_nopad_bin), '}') END AS j, NULL AS k;

-- a move: lock
-- list
INSERT INTO abaft_locks (id) SELECT crc32(concat('abaft.cards.position.', coalesce(CAST(? AS CHAR), ''))) % 1024 AS anon_1 ON DUPLICATE KEY UPDATE id = abaft_locks.id;

-- a move: anchor
-- anchor.name, list
SELECT t1.position
FROM cards AS t1
WHERE t1.name = ? AND t1.board = ? AND t1.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t2 INNER JOIN cards AS t3 ON true = 1
WHERE t2.name = t1.board AND t2.deleted IS NULL AND t3.board = t2.name AND t3.open = 1 AND t3.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t4 INNER JOIN card_marks AS t5 ON true = 1
WHERE t5.card = t1.name AND t5.mark = t4.name));

-- a move: below
-- list, place, key.name
SELECT max(t1.position) AS max_1
FROM cards AS t1
WHERE t1.board = ? AND t1.position < ? AND t1.name != ?;

-- a move: listed
-- constant, constant, list
SELECT cards.name, CASE WHEN true THEN ? ELSE ? END AS anon_1
FROM cards
WHERE cards.board = ? ORDER BY cards.position FOR UPDATE;

-- a change whole
-- change.at, change.actor, change.model, change.record, change.action, key.name
INSERT INTO abaft_changes (at, actor, model, record, action, data) SELECT ? AS anon_1, ? AS anon_2, ? AS anon_3, ? AS anon_4, ? AS anon_5, CAST(concat('{"name":', (json_quote(t1.name) COLLATE utf8mb4_nopad_bin), ',"slug":', (json_quote(t1.slug) COLLATE utf8mb4_nopad_bin), ',"open":', CASE WHEN (t1.open = 0) THEN 'false' WHEN (t1.open = 1) THEN 'true' END, ',"board":', (json_quote(t1.board) COLLATE utf8mb4_nopad_bin), ',"deleted":', coalesce(concat('"', replace(date_format(t1.deleted, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"'), 'null'), ',"position":', (json_quote(t1.position) COLLATE utf8mb4_nopad_bin), ',"marks":', (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_nopad_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_7
FROM card_marks AS t3 INNER JOIN marks AS t2 ON true = 1
WHERE t3.card = t1.name AND t3.mark = t2.name), '}') AS CHAR) AS anon_6
FROM cards AS t1
WHERE t1.name = ?;

-- what was before
-- change.record, constant, constant, key.name
SELECT concat('{"name":', (json_quote(t1.name) COLLATE utf8mb4_nopad_bin), ',"slug":', (json_quote(t1.slug) COLLATE utf8mb4_nopad_bin), ',"open":', CASE WHEN (t1.open = 0) THEN 'false' WHEN (t1.open = 1) THEN 'true' END, ',"board":', (json_quote(t1.board) COLLATE utf8mb4_nopad_bin), ',"deleted":', coalesce(concat('"', replace(date_format(t1.deleted, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"'), 'null'), ',"position":', (json_quote(t1.position) COLLATE utf8mb4_nopad_bin), ',"marks":', (SELECT concat('[', coalesce(group_concat(json_quote(t2.name) COLLATE utf8mb4_nopad_bin ORDER BY t2.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM card_marks AS t3 INNER JOIN marks AS t2 ON true = 1
WHERE t3.card = t1.name AND t3.mark = t2.name), '}') AS j, CASE WHEN coalesce((SELECT json_contains_path(abaft_changes.data, 'one', '$."name"') AS json_contains_path_1
FROM abaft_changes
WHERE abaft_changes.model = 'Card' AND abaft_changes.record = ? ORDER BY abaft_changes.seq DESC
 LIMIT 1), false) THEN ? ELSE ? END AS k
FROM cards AS t1
WHERE t1.name = ? FOR UPDATE;
