-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- a list
-- limit
SELECT t1.name AS c0, (SELECT concat('[', coalesce(group_concat(json_quote(t6.name) COLLATE utf8mb4_0900_bin ORDER BY t6.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM card_marks AS t7 INNER JOIN marks AS t6 ON true = 1
WHERE t7.card = t1.name AND t7.mark = t6.name) AS c1, t1.board AS c2, t1.position AS c3
FROM cards AS t1
WHERE t1.open = 1 AND t1.deleted IS NULL AND (EXISTS (SELECT 1
FROM boards AS t2 INNER JOIN cards AS t3 ON true = 1
WHERE t2.name = t1.board AND t2.deleted IS NULL AND t3.board = t2.name AND t3.open = 1 AND t3.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t4 INNER JOIN card_marks AS t5 ON true = 1
WHERE t5.card = t1.name AND t5.mark = t4.name)) ORDER BY t1.board ASC, t1.position ASC, t1.name ASC
 LIMIT ?;

-- what is deleted
-- limit
SELECT t1.name AS c0
FROM boards AS t1
WHERE t1.deleted IS NOT NULL ORDER BY t1.name ASC
 LIMIT ?;

-- a version
-- was.name, was.marks, key.name, was.board, was.marks, was.board, was.marks
SELECT concat('{"name":', (json_quote(CAST(? AS CHAR)) COLLATE utf8mb4_0900_bin), ',"marks":', (SELECT concat('[', coalesce(group_concat(json_quote(t16.name) COLLATE utf8mb4_0900_bin ORDER BY t16.name ASC SEPARATOR ','), ''), ']') AS anon_1
FROM marks AS t16
WHERE t16.name IN ?), '}') AS j
FROM cards AS t1
WHERE t1.name = ? AND (EXISTS (SELECT 1
FROM boards AS t2 INNER JOIN cards AS t3 ON true = 1
WHERE t2.name = t1.board AND t2.deleted IS NULL AND t3.board = t2.name AND t3.open = 1 AND t3.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t4 INNER JOIN card_marks AS t5 ON true = 1
WHERE t5.card = t1.name AND t5.mark = t4.name)) AND (t1.deleted IS NULL OR (EXISTS (SELECT 1
FROM boards AS t6 INNER JOIN cards AS t7 ON true = 1
WHERE t6.name = t1.board AND t6.deleted IS NULL AND t7.board = t6.name AND t7.open = 1 AND t7.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t8 INNER JOIN card_marks AS t9 ON true = 1
WHERE t9.card = t1.name AND t9.mark = t8.name))) AND (EXISTS (SELECT 1
FROM boards AS t10 INNER JOIN cards AS t11 ON true = 1
WHERE t10.name = CAST(? AS CHAR) AND t10.deleted IS NULL AND t11.board = t10.name AND t11.open = 1 AND t11.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t12
WHERE t12.name IN ?)) AND (t1.deleted IS NULL OR (EXISTS (SELECT 1
FROM boards AS t13 INNER JOIN cards AS t14 ON true = 1
WHERE t13.name = CAST(? AS CHAR) AND t13.deleted IS NULL AND t14.board = t13.name AND t14.open = 1 AND t14.deleted IS NULL)) AND (EXISTS (SELECT 1
FROM marks AS t15
WHERE t15.name IN ?)));

-- the versions
-- record, before, until, limit
SELECT CAST(abaft_changes.data AS CHAR) AS data, abaft_changes.seq, abaft_changes.at, abaft_changes.actor, abaft_changes.action
FROM abaft_changes
WHERE abaft_changes.model = 'Card' AND abaft_changes.record = ? AND abaft_changes.seq < ? AND abaft_changes.at <= ? ORDER BY abaft_changes.seq DESC
 LIMIT ?;
