-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- its index
CREATE TABLE abaft_search_notes_0af50bf8 (k0 VARCHAR(384) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL, k1 BIGINT NOT NULL, stale TINYINT NOT NULL, terms LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL, PRIMARY KEY (k0, k1), KEY stale (stale), FULLTEXT KEY terms (terms)) ENGINE=InnoDB;
CREATE TRIGGER abaft_search_notes_0af50bf8_insert AFTER INSERT ON notes FOR EACH ROW INSERT INTO abaft_search_notes_0af50bf8 (k0, k1, stale, terms) SELECT NEW.place, NEW.number, 1, '' FROM DUAL WHERE true ON DUPLICATE KEY UPDATE stale = 1;
CREATE TRIGGER abaft_search_notes_0af50bf8_update AFTER UPDATE ON notes FOR EACH ROW BEGIN DELETE FROM abaft_search_notes_0af50bf8 WHERE k0 = OLD.place AND k1 = OLD.number AND NOT (NEW.place = OLD.place AND NEW.number = OLD.number); INSERT INTO abaft_search_notes_0af50bf8 (k0, k1, stale, terms) SELECT NEW.place, NEW.number, 1, '' FROM DUAL WHERE NOT (NEW.place <=> OLD.place AND NEW.number <=> OLD.number AND NEW.title <=> OLD.title AND NEW.text <=> OLD.text AND NEW.memo <=> OLD.memo) ON DUPLICATE KEY UPDATE stale = 1; END;
CREATE TRIGGER abaft_search_notes_0af50bf8_delete AFTER DELETE ON notes FOR EACH ROW DELETE FROM abaft_search_notes_0af50bf8 WHERE k0 = OLD.place AND k1 = OLD.number;
INSERT INTO abaft_search_notes_0af50bf8 (k0, k1, stale, terms) SELECT place, number, 1, '' FROM notes;

-- without it
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_insert;
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_update;
DROP TRIGGER IF EXISTS abaft_search_notes_0af50bf8_delete;
DROP TABLE abaft_search_notes_0af50bf8;

-- ranked: /api/notes?search=sea+storm
-- Fragment(sql="(1000 * (3 * ((length(terms) - length(replace(terms, ' yasea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' ybsea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' xcsea ', ''))) DIV 7)) DIV ((3 * ((length(terms) - length(replace(terms, ' yasea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' ybsea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' xcsea ', ''))) DIV 7)) + 2) + 1000 * (3 * ((length(terms) - length(replace(terms, ' xaa ', ''))) DIV 5) + 3 * ((length(terms) - length(replace(terms, ' xastorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xba ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xbstorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xca ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xcstorm ', ''))) DIV 9)) DIV ((3 * ((length(terms) - length(replace(terms, ' xaa ', ''))) DIV 5) + 3 * ((length(terms) - length(replace(terms, ' xastorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xba ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xbstorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xca ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xcstorm ', ''))) DIV 9)) + 2))")
-- Fragment(sql="(match (terms) against ('+(yasea ybsea xcsea) +(xaa xba xca) +(xastorm xbstorm xcstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms) OR locate(' xcsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms) OR locate(' xca  xcstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms) OR locate(' xcru', terms)))")
-- search, search, limit
SELECT t1.place AS c0, t1.number AS c1, t1.title AS c2, t1.text AS c3, t1.memo AS c4, t1.owner AS c5, t1.created AS c6, t1.updated AS c7, f.`rank` AS c8
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, ? AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ?) AS f INNER JOIN notes AS t1 ON true = 1
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.`rank` DESC, t1.place DESC, t1.number DESC
LIMIT ?;

-- where_some_fields_are_masked: /api/notes?search=sea+"a storm"+-ru*&sort=number&count=exact
-- Fragment(sql="(match (terms) against ('+(yasea ybsea xcsea) +(xaa xba xca) +(xastorm xbstorm xcstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms) OR locate(' xcsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms) OR locate(' xca  xcstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms) OR locate(' xcru', terms)))")
-- Fragment(sql="(match (terms) against ('+(yasea ybsea) +(xaa xba) +(xastorm xbstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms)))")
-- Fragment(sql="(match (terms) against ('+(yasea ybsea xcsea) +(xaa xba xca) +(xastorm xbstorm xcstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms) OR locate(' xcsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms) OR locate(' xca  xcstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms) OR locate(' xcru', terms)))")
-- Fragment(sql="(match (terms) against ('+(yasea ybsea) +(xaa xba) +(xastorm xbstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms)))")
-- me, search, search, me, me, search, search, me, me, limit
SELECT concat('{"place":', (json_quote(t1.place) COLLATE utf8mb4_0900_bin), ',"number":', CAST(t1.number AS CHAR), ',"title":', (json_quote(t1.title) COLLATE utf8mb4_0900_bin), ',"text":', coalesce(json_quote(t1.text) COLLATE utf8mb4_0900_bin, 'null'), CASE WHEN (t1.owner = ?) THEN concat(',"memo":', (json_quote(t1.memo) COLLATE utf8mb4_0900_bin)) ELSE '' END, ',"owner":"', t1.owner, '","created":"', replace(date_format(t1.created, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '","updated":"', replace(date_format(t1.updated, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z'), '"}') AS c0, t1.number AS c1, t1.place AS c2, (SELECT count(*) AS count_1
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, 0 AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ? UNION ALL SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 1 AS scope, 0 AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ?) AS f INNER JOIN notes AS t2 ON true = 1
WHERE t2.place = f.k0 AND t2.number = f.k1 AND (f.scope = 0 AND t2.owner = ? OR f.scope = 1 AND t2.owner != ?)) AS c3
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, 0 AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ? UNION ALL SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 1 AS scope, 0 AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ?) AS f INNER JOIN notes AS t1 ON true = 1
WHERE t1.place = f.k0 AND t1.number = f.k1 AND (f.scope = 0 AND t1.owner = ? OR f.scope = 1 AND t1.owner != ?) ORDER BY t1.number ASC, t1.place ASC
LIMIT ?;

-- highlighted: /api/notes?search="a storm"&highlight=true&fields=number
-- Fragment(sql="(1000 * (3 * ((length(terms) - length(replace(terms, ' yasea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' ybsea ', ''))) DIV 7)) DIV ((3 * ((length(terms) - length(replace(terms, ' yasea ', ''))) DIV 7) + 1 * ((length(terms) - length(replace(terms, ' ybsea ', ''))) DIV 7)) + 2) + 1000 * (3 * ((length(terms) - length(replace(terms, ' xaa ', ''))) DIV 5) + 3 * ((length(terms) - length(replace(terms, ' xastorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xba ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xbstorm ', ''))) DIV 9)) DIV ((3 * ((length(terms) - length(replace(terms, ' xaa ', ''))) DIV 5) + 3 * ((length(terms) - length(replace(terms, ' xastorm ', ''))) DIV 9) + 1 * ((length(terms) - length(replace(terms, ' xba ', ''))) DIV 5) + 1 * ((length(terms) - length(replace(terms, ' xbstorm ', ''))) DIV 9)) + 2))")
-- Fragment(sql="(match (terms) against ('+(yasea ybsea) +(xaa xba) +(xastorm xbstorm)' IN BOOLEAN MODE) AND (locate(' yasea ', terms) OR locate(' ybsea ', terms)) AND (locate(' xaa  xastorm ', terms) OR locate(' xba  xbstorm ', terms)) AND NOT (locate(' xaru', terms) OR locate(' xbru', terms)))")
-- search, search, limit
SELECT t1.number AS c0, f.`rank` AS c1, t1.place AS c2, substr(t1.title, 1, 10000) AS c3, substr(t1.text, 1, 10000) AS c4
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, ? AS `rank`
FROM abaft_search_notes_0af50bf8
WHERE ?) AS f INNER JOIN notes AS t1 ON true = 1
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.`rank` DESC, t1.place DESC, t1.number DESC
LIMIT ?;
