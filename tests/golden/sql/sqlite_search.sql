-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- its index
CREATE VIRTUAL TABLE abaft_search_notes_0af50bf8 USING fts5(w0, s0, w1, s1, w2, content='', contentless_delete=1, tokenize='ascii');
CREATE VIRTUAL TABLE abaft_terms_notes_0af50bf8 USING fts5vocab(abaft_search_notes_0af50bf8, instance);
CREATE TABLE abaft_keys_notes_0af50bf8 (id INTEGER PRIMARY KEY, k0, k1, stale INTEGER NOT NULL, UNIQUE (k0, k1));
CREATE INDEX abaft_keys_notes_0af50bf8_stale ON abaft_keys_notes_0af50bf8 (id) WHERE stale;
CREATE TRIGGER abaft_search_notes_0af50bf8_insert AFTER INSERT ON notes BEGIN UPDATE abaft_keys_notes_0af50bf8 SET stale = 1 WHERE k0 = new.place AND k1 = new.number; INSERT INTO abaft_keys_notes_0af50bf8 (k0, k1, stale) SELECT new.place, new.number, 1 WHERE NOT EXISTS (SELECT 1 FROM abaft_keys_notes_0af50bf8 WHERE k0 = new.place AND k1 = new.number); END;
CREATE TRIGGER abaft_search_notes_0af50bf8_update AFTER UPDATE OF place, number, title, text, memo ON notes BEGIN UPDATE abaft_keys_notes_0af50bf8 SET stale = 1 WHERE k0 = old.place AND k1 = old.number; UPDATE abaft_keys_notes_0af50bf8 SET stale = 1 WHERE k0 = new.place AND k1 = new.number; INSERT INTO abaft_keys_notes_0af50bf8 (k0, k1, stale) SELECT new.place, new.number, 1 WHERE NOT EXISTS (SELECT 1 FROM abaft_keys_notes_0af50bf8 WHERE k0 = new.place AND k1 = new.number); END;
CREATE TRIGGER abaft_search_notes_0af50bf8_delete AFTER DELETE ON notes BEGIN UPDATE abaft_keys_notes_0af50bf8 SET stale = 1 WHERE k0 = old.place AND k1 = old.number; END;
INSERT INTO abaft_keys_notes_0af50bf8 (k0, k1, stale) SELECT place, number, 1 FROM notes;

-- without it
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_insert;
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_update;
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_delete;
DROP TABLE IF EXISTS abaft_terms_notes_0af50bf8;
DROP TABLE abaft_search_notes_0af50bf8;
DROP TABLE IF EXISTS abaft_keys_notes_0af50bf8;

-- ranked: /api/notes?search=sea+storm
-- [["sea", "sea", 0, 0], ["a", "a", 1, 1], ["storm", "storm", 1, 1]]
-- (({s0 s1 w2} : ("sea")) AND ({w0 w1 w2} : "a storm")) NOT (({w0 w1 w2} : "ru" *))
-- search, search, limit, 0
SELECT '{"place":' || json_quote(t2.place) || ',"number":' || t2.number || ',"title":' || json_quote(t2.title) || ',"text":' || coalesce(json_quote(t2.text), 'null') || ',"memo":' || json_quote(t2.memo) || ',"owner":"' || t2.owner || '","created":"' || replace(t2.created, '.000000Z', 'Z') || '","updated":"' || replace(t2.updated, '.000000Z', 'Z') || '"}' AS j, p.c2, p.c3, p.c4
FROM (SELECT t1.place AS c0, t1.number AS c1, f.rank AS c2, t1.place AS c3, t1.number AS c4
FROM (SELECT abaft_keys_notes_0af50bf8.k0 AS k0, abaft_keys_notes_0af50bf8.k1 AS k1, h.scope AS scope, h.rank AS rank
FROM (SELECT n0.id AS id, 0 AS scope, sum(1000 * n0.w / (n0.w + 2)) AS rank
FROM (SELECT abaft_terms_notes_0af50bf8.doc AS id, sum(CASE WHEN (json_extract(q.value, '$[3]') = 1) THEN CASE WHEN (abaft_terms_notes_0af50bf8.col = 'w0') THEN 3 WHEN (abaft_terms_notes_0af50bf8.col = 'w1') THEN 1 WHEN (abaft_terms_notes_0af50bf8.col = 'w2') THEN 1 ELSE 0 END ELSE CASE WHEN (abaft_terms_notes_0af50bf8.col = 's0') THEN 3 WHEN (abaft_terms_notes_0af50bf8.col = 's1') THEN 1 WHEN (abaft_terms_notes_0af50bf8.col = 'w2') THEN 1 ELSE 0 END END) AS w
FROM json_each(?) AS q CROSS JOIN abaft_terms_notes_0af50bf8
WHERE abaft_terms_notes_0af50bf8.term BETWEEN json_extract(q.value, '$[0]') AND json_extract(q.value, '$[1]') AND abaft_terms_notes_0af50bf8.doc IN (SELECT abaft_search_notes_0af50bf8.rowid AS id
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ?) GROUP BY abaft_terms_notes_0af50bf8.doc, json_extract(q.value, '$[2]')) AS n0 GROUP BY n0.id) AS h JOIN abaft_keys_notes_0af50bf8 ON abaft_keys_notes_0af50bf8.id = h.id) AS f CROSS JOIN notes AS t1
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.rank DESC, t1.place DESC, t1.number DESC
LIMIT ? OFFSET ?) AS p CROSS JOIN notes AS t2
WHERE t2.place = p.c0 AND t2.number = p.c1;

-- where_some_fields_are_masked: /api/notes?search=sea+"a storm"+-ru*&sort=number&count=exact
-- (({s0 s1 w2} : ("sea")) AND ({w0 w1 w2} : "a storm")) NOT (({w0 w1 w2} : "ru" *))
-- (({s0 s1} : ("sea")) AND ({w0 w1} : "a storm")) NOT (({w0 w1} : "ru" *))
-- (({s0 s1 w2} : ("sea")) AND ({w0 w1 w2} : "a storm")) NOT (({w0 w1 w2} : "ru" *))
-- (({s0 s1} : ("sea")) AND ({w0 w1} : "a storm")) NOT (({w0 w1} : "ru" *))
-- me, search, search, me, me, search, search, me, me, limit, 0
SELECT '{"place":' || json_quote(t3.place) || ',"number":' || t3.number || ',"title":' || json_quote(t3.title) || ',"text":' || coalesce(json_quote(t3.text), 'null') || CASE WHEN (t3.owner = ?) THEN ',"memo":' || json_quote(t3.memo) ELSE '' END || ',"owner":"' || t3.owner || '","created":"' || replace(t3.created, '.000000Z', 'Z') || '","updated":"' || replace(t3.updated, '.000000Z', 'Z') || '"}' AS j, p.c2, p.c3, p.c4
FROM (SELECT t1.place AS c0, t1.number AS c1, t1.number AS c2, t1.place AS c3, (SELECT count(*) AS count_1
FROM (SELECT abaft_keys_notes_0af50bf8.k0 AS k0, abaft_keys_notes_0af50bf8.k1 AS k1, h.scope AS scope, h.rank AS rank
FROM (SELECT abaft_search_notes_0af50bf8.rowid AS id, 0 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ? UNION ALL SELECT abaft_search_notes_0af50bf8.rowid AS id, 1 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ?) AS h JOIN abaft_keys_notes_0af50bf8 ON abaft_keys_notes_0af50bf8.id = h.id) AS f CROSS JOIN notes AS t2
WHERE t2.place = f.k0 AND t2.number = f.k1 AND (f.scope = 0 AND t2.owner = ? OR f.scope = 1 AND t2.owner != ?)) AS c4
FROM (SELECT abaft_keys_notes_0af50bf8.k0 AS k0, abaft_keys_notes_0af50bf8.k1 AS k1, h.scope AS scope, h.rank AS rank
FROM (SELECT abaft_search_notes_0af50bf8.rowid AS id, 0 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ? UNION ALL SELECT abaft_search_notes_0af50bf8.rowid AS id, 1 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ?) AS h JOIN abaft_keys_notes_0af50bf8 ON abaft_keys_notes_0af50bf8.id = h.id) AS f CROSS JOIN notes AS t1
WHERE t1.place = f.k0 AND t1.number = f.k1 AND (f.scope = 0 AND t1.owner = ? OR f.scope = 1 AND t1.owner != ?) ORDER BY t1.number ASC, t1.place ASC
LIMIT ? OFFSET ?) AS p CROSS JOIN notes AS t3
WHERE t3.place = p.c0 AND t3.number = p.c1;

-- highlighted: /api/notes?search="a storm"&highlight=true&fields=number
-- [["sea", "sea", 0, 0], ["a", "a", 1, 1], ["storm", "storm", 1, 1]]
-- (({s0 s1} : ("sea")) AND ({w0 w1} : "a storm")) NOT (({w0 w1} : "ru" *))
-- search, search, limit, 0
SELECT '{"number":' || t2.number || '}' AS j, p.c2, p.c3, p.c4, substr(t2.title, 1, 10000) AS h0, substr(t2.text, 1, 10000) AS h1
FROM (SELECT t1.place AS c0, t1.number AS c1, f.rank AS c2, t1.place AS c3, t1.number AS c4
FROM (SELECT abaft_keys_notes_0af50bf8.k0 AS k0, abaft_keys_notes_0af50bf8.k1 AS k1, h.scope AS scope, h.rank AS rank
FROM (SELECT n0.id AS id, 0 AS scope, sum(1000 * n0.w / (n0.w + 2)) AS rank
FROM (SELECT abaft_terms_notes_0af50bf8.doc AS id, sum(CASE WHEN (json_extract(q.value, '$[3]') = 1) THEN CASE WHEN (abaft_terms_notes_0af50bf8.col = 'w0') THEN 3 WHEN (abaft_terms_notes_0af50bf8.col = 'w1') THEN 1 ELSE 0 END ELSE CASE WHEN (abaft_terms_notes_0af50bf8.col = 's0') THEN 3 WHEN (abaft_terms_notes_0af50bf8.col = 's1') THEN 1 ELSE 0 END END) AS w
FROM json_each(?) AS q CROSS JOIN abaft_terms_notes_0af50bf8
WHERE abaft_terms_notes_0af50bf8.term BETWEEN json_extract(q.value, '$[0]') AND json_extract(q.value, '$[1]') AND abaft_terms_notes_0af50bf8.doc IN (SELECT abaft_search_notes_0af50bf8.rowid AS id
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.abaft_search_notes_0af50bf8 MATCH ?) GROUP BY abaft_terms_notes_0af50bf8.doc, json_extract(q.value, '$[2]')) AS n0 GROUP BY n0.id) AS h JOIN abaft_keys_notes_0af50bf8 ON abaft_keys_notes_0af50bf8.id = h.id) AS f CROSS JOIN notes AS t1
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.rank DESC, t1.place DESC, t1.number DESC
LIMIT ? OFFSET ?) AS p CROSS JOIN notes AS t2
WHERE t2.place = p.c0 AND t2.number = p.c1;
