-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- its index
DO $abaft$ DECLARE named text; BEGIN
SELECT c.collname INTO named FROM pg_catalog.pg_collation c
    WHERE c.collname IN ('pg_c_utf8', 'und-x-icu', 'C.utf8', 'en_US.utf8')
        AND c.collencoding IN (-1, 6)
    ORDER BY array_position(ARRAY['pg_c_utf8', 'und-x-icu', 'C.utf8'], c.collname::text) LIMIT 1;
EXECUTE replace($made$CREATE OR REPLACE FUNCTION abaft_fold_e78de54c(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $fold$SELECT CASE WHEN octet_length($1) = length($1) THEN regexp_replace(lower($1 COLLATE "C"), '[^a-z0-9]+', ' ', 'g') ELSE regexp_replace(regexp_replace(normalize(regexp_replace(translate(replace(replace(replace(lower(normalize($1, NFKD) COLLATE COLLATION), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'øđłħŧıς', 'odlhtiσ') COLLATE "C", '(?<![\u0438\u0443])\u0306|(?<!\u0456)\u0308|[\u0300-\u0305\u0307\u0309-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u064b-\u0652\u0670\u0e47-\u0e4c\u0e4e\u0eba\u0ec8-\u0ecc\u1037\u1039\u103a\u1715\u1734\u17b4\u17b5\u17c9-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302e\u302f\ufe00-\ufe0f]', '', 'g'), NFC), '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02eb\u02ed\u02ef-\u02ff\u0375\u03f6\u0482\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3-\u060f\u061b-\u061f\u066a-\u066d\u06d4\u06dd-\u06de\u06e9\u06fd-\u06fe\u0700-\u070f\u07f6-\u07f9\u07fe-\u07ff\u0830-\u083e\u085e\u0888\u0890-\u0891\u08e2\u0964-\u0965\u0970\u09f2-\u09fb\u09fd\u0a76\u0af0-\u0af1\u0b70\u0b72-\u0b77\u0bf0-\u0bfa\u0c77-\u0c7f\u0c84\u0d4f\u0d58-\u0d5e\u0d70-\u0d79\u0df4\u0e3f\u0e4f\u0e5a-\u0e5b\u0f01-\u0f17\u0f1a-\u0f1f\u0f2a-\u0f34\u0f36\u0f38\u0f3a-\u0f3d\u0f85\u0fbe-\u0fc5\u0fc7-\u0fda\u104a-\u104f\u109e-\u109f\u10fb\u1360-\u137c\u1390-\u1399\u1400\u166d-\u166e\u1680\u169b-\u169c\u16eb-\u16ed\u1735-\u1736\u17d4-\u17d6\u17d8-\u17db\u17f0-\u180a\u180e\u1940-\u1945\u19da-\u19ff\u1a1e-\u1a1f\u1aa0-\u1aa6\u1aa8-\u1aad\u1b5a-\u1b6a\u1b74-\u1b7e\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e-\u1c7f\u1cc0-\u1cc7\u1cd3\u200b-\u20c0\u2104-\u212e\u213a-\u214d\u214f\u218a-\u2bff\u2ce5-\u2cea\u2cf9-\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u3004\u3008-\u3020\u3030\u3037\u303d-\u303f\u30a0\u30fb\u3190-\u3191\u31c0-\u31e3\u3248-\u327f\u4dc0-\u4dff\ua490-\ua4c6\ua4fe-\ua4ff\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua716\ua720-\ua721\ua789-\ua78a\ua828-\ua82b\ua830-\ua839\ua874-\ua877\ua8ce-\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e-\ua92f\ua95f\ua9c1-\ua9cd\ua9de-\ua9df\uaa5c-\uaa5f\uaa77-\uaa79\uaade-\uaadf\uaaf0-\uaaf1\uab5b\uab6a-\uab6b\uabeb\ue000-\uf8ff\ufbb2-\ufdff\ufe45-\ufe46\ufeff-\ufffd\U00010100-\U0001013f\U00010175-\U000101fc\U000102e1-\U000102fb\U00010320-\U00010323\U0001039f\U000103d0\U0001056f\U00010857-\U0001085f\U00010877-\U0001087f\U000108a7-\U000108af\U000108fb-\U000108ff\U00010916-\U0001091f\U0001093f\U000109bc-\U000109bd\U000109c0-\U000109ff\U00010a40-\U00010a58\U00010a7d-\U00010a7f\U00010a9d-\U00010a9f\U00010ac8\U00010aeb-\U00010af6\U00010b39-\U00010b3f\U00010b58-\U00010b5f\U00010b78-\U00010b7f\U00010b99-\U00010baf\U00010cfa-\U00010cff\U00010e60-\U00010e7e\U00010ead\U00010f1d-\U00010f26\U00010f51-\U00010f59\U00010f86-\U00010f89\U00010fc5-\U00010fcb\U00011047-\U00011065\U000110bb-\U000110c1\U000110cd\U00011140-\U00011143\U00011174-\U00011175\U000111c5-\U000111c8\U000111cd\U000111db\U000111dd-\U000111f4\U00011238-\U0001123d\U000112a9\U0001144b-\U0001144f\U0001145a-\U0001145d\U000114c6\U000115c1-\U000115d7\U00011641-\U00011643\U00011660-\U0001166c\U000116b9\U0001173a-\U0001173f\U0001183b\U000118ea-\U000118f2\U00011944-\U00011946\U000119e2\U00011a3f-\U00011a46\U00011a9a-\U00011a9c\U00011a9e-\U00011aa2\U00011c41-\U00011c45\U00011c5a-\U00011c71\U00011ef7-\U00011ef8\U00011fc0-\U00011fff\U00012470-\U00012474\U00012ff1-\U00012ff2\U00013430-\U00013438\U00016a6e-\U00016a6f\U00016af5\U00016b37-\U00016b3f\U00016b44-\U00016b45\U00016b5b-\U00016b61\U00016e80-\U00016e9a\U00016fe2\U0001bc9c\U0001bc9f-\U0001bca3\U0001cf50-\U0001d15d\U0001d16a-\U0001d16c\U0001d173-\U0001d17a\U0001d183-\U0001d184\U0001d18c-\U0001d1a9\U0001d1ae-\U0001d241\U0001d245-\U0001d9ff\U0001da37-\U0001da3a\U0001da6d-\U0001da74\U0001da76-\U0001da83\U0001da85-\U0001da8b\U0001e14f\U0001e2ff\U0001e8c7-\U0001e8cf\U0001e95e-\U0001fbca\U000e0001-\U000e007f\U000f0000-\U0010fffd]+', ' ', 'g'), '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])', ' \1 ', 'g') END$fold$$made$,
'COLLATION', coalesce(quote_ident(named), '"default"'));
END $abaft$;
DO $abaft$ BEGIN
IF NOT EXISTS (SELECT FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.cfgnamespace WHERE c.cfgname = 'abaft_english' AND n.nspname = current_schema()) THEN
CREATE TEXT SEARCH DICTIONARY abaft_english (TEMPLATE = pg_catalog.snowball, LANGUAGE = english);
CREATE TEXT SEARCH CONFIGURATION abaft_english (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION abaft_english ADD MAPPING FOR asciiword, word, numword, asciihword, hword, numhword, int, uint, float, sfloat WITH abaft_english;
END IF; END $abaft$;
DO $abaft$ BEGIN
IF NOT EXISTS (SELECT FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n
    ON n.oid = c.cfgnamespace WHERE c.cfgname = 'abaft_german' AND n.nspname = current_schema()) THEN
CREATE TEXT SEARCH DICTIONARY abaft_german (TEMPLATE = pg_catalog.snowball, LANGUAGE = german);
CREATE TEXT SEARCH CONFIGURATION abaft_german (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION abaft_german ADD MAPPING FOR asciiword, word, numword, asciihword, hword, numhword, int, uint, float, sfloat WITH abaft_german;
END IF; END $abaft$;
CREATE TABLE abaft_search_notes_0af50bf8 (k0 TEXT COLLATE "C" NOT NULL, k1 BIGINT NOT NULL, words tsvector NOT NULL, stems tsvector NOT NULL, PRIMARY KEY (k0, k1));
CREATE OR REPLACE FUNCTION abaft_search_notes_0af50bf8() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $abaft$ BEGIN
IF TG_OP = 'TRUNCATE' THEN DELETE FROM abaft_search_notes_0af50bf8; RETURN NULL; END IF;
IF TG_OP = 'DELETE' THEN DELETE FROM abaft_search_notes_0af50bf8 WHERE k0 = OLD.place AND k1 = OLD.number; RETURN NULL; END IF;
IF TG_OP = 'UPDATE' AND (OLD.place IS DISTINCT FROM NEW.place OR OLD.number IS DISTINCT FROM NEW.number) THEN DELETE FROM abaft_search_notes_0af50bf8 WHERE k0 = OLD.place AND k1 = OLD.number; END IF;
INSERT INTO abaft_search_notes_0af50bf8 (k0, k1, words, stems) SELECT r.place, r.number, setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.memo::text, ''), 66666))), 'C'), setweight(to_tsvector('abaft_english', abaft_fold_e78de54c(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('abaft_german', abaft_fold_e78de54c(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.memo::text, ''), 66666))), 'C') FROM (SELECT NEW.place AS place, NEW.number AS number, NEW.title AS title, NEW.text AS text, NEW.memo AS memo) AS r
    ON CONFLICT (k0, k1) DO UPDATE SET words = excluded.words, stems = excluded.stems;
RETURN NULL; END $abaft$;
CREATE TRIGGER abaft_search_notes_0af50bf8_rows AFTER INSERT OR DELETE OR UPDATE OF place, number, title, text, memo ON notes FOR EACH ROW EXECUTE FUNCTION abaft_search_notes_0af50bf8();
CREATE TRIGGER abaft_search_notes_0af50bf8_all AFTER TRUNCATE ON notes FOR EACH STATEMENT EXECUTE FUNCTION abaft_search_notes_0af50bf8();
INSERT INTO abaft_search_notes_0af50bf8 (k0, k1, words, stems) SELECT r.place, r.number, setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.memo::text, ''), 66666))), 'C'), setweight(to_tsvector('abaft_english', abaft_fold_e78de54c(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('abaft_german', abaft_fold_e78de54c(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_e78de54c(left(coalesce(r.memo::text, ''), 66666))), 'C') FROM notes AS r;
CREATE INDEX abaft_search_notes_0af50bf8_gin ON abaft_search_notes_0af50bf8 USING gin (words, stems);

-- without it
DROP FUNCTION IF EXISTS abaft_search_notes_0af50bf8() CASCADE;
DROP TABLE abaft_search_notes_0af50bf8;

-- ranked: /api/notes?search=sea+storm
-- ['sea']
-- search, limit
SELECT '{"place":' || CAST(to_json(t1.place) AS TEXT) || ',"number":' || CAST(t1.number AS TEXT) || ',"title":' || CAST(to_json(t1.title) AS TEXT) || ',"text":' || coalesce(CAST(to_json(t1.text) AS TEXT), 'null') || ',"memo":' || CAST(to_json(t1.memo) AS TEXT) || ',"owner":"' || t1.owner || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' AS c0, f.rank AS c1, t1.place AS c2, t1.number AS c3
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, CAST(round(CAST(ts_rank('{0.0000, 0.3333, 0.3333, 1.0000}'::float4[], abaft_search_notes_0af50bf8.stems, (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
FROM unnest($1::TEXT[] COLLATE "C") AS w)) * 1000000 AS FLOAT)) AS BIGINT) AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
FROM unnest($1::TEXT[] COLLATE "C") AS w)) AS f JOIN notes AS t1 ON true
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.rank DESC, t1.place DESC, t1.number DESC
LIMIT $2::BIGINT;

-- where_some_fields_are_masked: /api/notes?search=sea+"a storm"+-ru*&sort=number&count=exact
-- ['sea']
-- ('a' <-> 'storm') & !('ru':*)
-- ['sea']
-- ('a':AB <-> 'storm':AB) & !('ru':*AB)
-- ['sea']
-- ('a' <-> 'storm') & !('ru':*)
-- ['sea']
-- ('a':AB <-> 'storm':AB) & !('ru':*AB)
-- me, search, search, search, search, me, me, search, search, search, search, me, me, limit
SELECT '{"place":' || CAST(to_json(t1.place) AS TEXT) || ',"number":' || CAST(t1.number AS TEXT) || ',"title":' || CAST(to_json(t1.title) AS TEXT) || ',"text":' || coalesce(CAST(to_json(t1.text) AS TEXT), 'null') || CASE WHEN (t1.owner = $1::UUID) THEN ',"memo":' || CAST(to_json(t1.memo) AS TEXT) ELSE '' END || ',"owner":"' || t1.owner || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' AS c0, t1.number AS c1, t1.place AS c2, (SELECT count(*) AS count_1
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE (abaft_search_notes_0af50bf8.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
FROM unnest($2::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_0af50bf8.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $3::VARCHAR) AS to_tsquery_1)) UNION ALL SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 1 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE (abaft_search_notes_0af50bf8.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_2
FROM unnest($4::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_0af50bf8.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $5::VARCHAR) AS to_tsquery_2))) AS f JOIN notes AS t2 ON true
WHERE t2.place = f.k0 AND t2.number = f.k1 AND (f.scope = 0 AND t2.owner = $6::UUID OR f.scope = 1 AND t2.owner != $7::UUID)) AS c3
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE (abaft_search_notes_0af50bf8.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_3
FROM unnest($8::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_0af50bf8.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $9::VARCHAR) AS to_tsquery_3)) UNION ALL SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 1 AS scope, 0 AS rank
FROM abaft_search_notes_0af50bf8
WHERE (abaft_search_notes_0af50bf8.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_4
FROM unnest($10::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_0af50bf8.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $11::VARCHAR) AS to_tsquery_4))) AS f JOIN notes AS t1 ON true
WHERE t1.place = f.k0 AND t1.number = f.k1 AND (f.scope = 0 AND t1.owner = $12::UUID OR f.scope = 1 AND t1.owner != $13::UUID) ORDER BY t1.number ASC, t1.place ASC
LIMIT $14::BIGINT;

-- highlighted: /api/notes?search="a storm"&highlight=true&fields=number
-- ('a':AB <-> 'storm':AB) & !('ru':*AB)
-- search, limit
SELECT '{"number":' || CAST(t1.number AS TEXT) || '}' AS c0, f.rank AS c1, t1.place AS c2, t1.number AS c3, substr(t1.title, 1, 10000) AS c4, substr(t1.text, 1, 10000) AS c5
FROM (SELECT abaft_search_notes_0af50bf8.k0 AS k0, abaft_search_notes_0af50bf8.k1 AS k1, 0 AS scope, CAST(round(CAST(ts_rank('{0.0000, 0.0000, 0.3333, 1.0000}'::float4[], abaft_search_notes_0af50bf8.words, (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $1::VARCHAR) AS to_tsquery_1)) * 1000000 AS FLOAT)) AS BIGINT) AS rank
FROM abaft_search_notes_0af50bf8
WHERE abaft_search_notes_0af50bf8.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $1::VARCHAR) AS to_tsquery_1)) AS f JOIN notes AS t1 ON true
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.rank DESC, t1.place DESC, t1.number DESC
LIMIT $2::BIGINT;
