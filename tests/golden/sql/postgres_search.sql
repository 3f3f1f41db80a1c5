-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_sql.py

-- its index
DO $abaft$ DECLARE named text; BEGIN
SELECT c.collname INTO named FROM pg_catalog.pg_collation c
    WHERE c.collname IN ('pg_c_utf8', 'und-x-icu', 'C.utf8', 'en_US.utf8')
        AND c.collencoding IN (-1, 6)
    ORDER BY array_position(ARRAY['pg_c_utf8', 'und-x-icu', 'C.utf8'], c.collname::text) LIMIT 1;
EXECUTE replace($made$CREATE OR REPLACE FUNCTION abaft_fold_fff90ccb(text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $fold$SELECT CASE WHEN octet_length($1) = length($1) THEN regexp_replace(lower($1 COLLATE "C"), '[^a-z0-9]+', ' ', 'g') ELSE regexp_replace(regexp_replace(normalize(regexp_replace(translate(replace(replace(replace(lower(normalize($1, NFKD) COLLATE COLLATION), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'øđłħŧıς', 'odlhtiσ') COLLATE "C", '(?<![\u0438\u0443])\u0306|(?<!\u0456)\u0308|[\u0300-\u0305\u0307\u0309-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u064b-\u0652\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f]', '', 'g'), NFC), '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02ff\u037e\u0387\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3-\u060f\u061b-\u061f\u066a-\u066d\u06d4\u0700-\u070f\u0964\u0965\u0970\u0e3f\u0e4f\u0e5a\u0e5b\u0f01-\u0f17\u104a-\u104f\u10fb\u1360-\u1368\u17d4-\u17db\u1800-\u180a\u200b-\u20cf\u2104-\u2114\u2116-\u2118\u214f\u218a-\u2bff\u2e00-\u2e2e\u2e30-\u2e7f\u2ff0-\u3004\u3008-\u3020\u3030\u3037\u303d-\u3040\u30a0\u30fb\u3190\u3191\u31c0-\u31e3\u327f\u4dc0-\u4dff\ua490-\ua4cf\ue000-\uf8ff\ufd3e-\ufd4f\ufe45\ufe46\ufeff\ufff0-\uffff\U0001d000-\U0001d241\U0001d300-\U0001d3ff\U0001f000-\U0001fbef\U000e0000-\U0010fffd]+', ' ', 'g'), '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])', ' \1 ', 'g') END$fold$$made$,
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
CREATE TABLE abaft_search_notes_358224df (k0 TEXT COLLATE "C" NOT NULL, k1 BIGINT NOT NULL, words tsvector NOT NULL, stems tsvector NOT NULL, PRIMARY KEY (k0, k1));
CREATE OR REPLACE FUNCTION abaft_search_notes_358224df() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $abaft$ BEGIN
IF TG_OP = 'TRUNCATE' THEN DELETE FROM abaft_search_notes_358224df; RETURN NULL; END IF;
IF TG_OP = 'DELETE' THEN DELETE FROM abaft_search_notes_358224df WHERE k0 = OLD.place AND k1 = OLD.number; RETURN NULL; END IF;
IF TG_OP = 'UPDATE' AND (OLD.place IS DISTINCT FROM NEW.place OR OLD.number IS DISTINCT FROM NEW.number) THEN DELETE FROM abaft_search_notes_358224df WHERE k0 = OLD.place AND k1 = OLD.number; END IF;
INSERT INTO abaft_search_notes_358224df (k0, k1, words, stems) SELECT r.place, r.number, setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.memo::text, ''), 66666))), 'C'), setweight(to_tsvector('abaft_english', abaft_fold_fff90ccb(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('abaft_german', abaft_fold_fff90ccb(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.memo::text, ''), 66666))), 'C') FROM (SELECT NEW.place AS place, NEW.number AS number, NEW.title AS title, NEW.text AS text, NEW.memo AS memo) AS r
    ON CONFLICT (k0, k1) DO UPDATE SET words = excluded.words, stems = excluded.stems;
RETURN NULL; END $abaft$;
CREATE TRIGGER abaft_search_notes_358224df_rows AFTER INSERT OR DELETE OR UPDATE OF place, number, title, text, memo ON notes FOR EACH ROW EXECUTE FUNCTION abaft_search_notes_358224df();
CREATE TRIGGER abaft_search_notes_358224df_all AFTER TRUNCATE ON notes FOR EACH STATEMENT EXECUTE FUNCTION abaft_search_notes_358224df();
INSERT INTO abaft_search_notes_358224df (k0, k1, words, stems) SELECT r.place, r.number, setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.memo::text, ''), 66666))), 'C'), setweight(to_tsvector('abaft_english', abaft_fold_fff90ccb(left(coalesce(r.title::text, ''), 66666))), 'A') || '''|'':1'::tsvector || setweight(to_tsvector('abaft_german', abaft_fold_fff90ccb(left(coalesce(r.text::text, ''), 66666))), 'B') || '''|'':1'::tsvector || setweight(to_tsvector('pg_catalog.simple', abaft_fold_fff90ccb(left(coalesce(r.memo::text, ''), 66666))), 'C') FROM notes AS r;
CREATE INDEX abaft_search_notes_358224df_gin ON abaft_search_notes_358224df USING gin (words, stems);

-- without it
DROP FUNCTION IF EXISTS abaft_search_notes_358224df() CASCADE;
DROP TABLE abaft_search_notes_358224df;

-- ranked: /api/notes?search=sea+storm
-- ['sea']
-- search, limit
SELECT '{"place":' || CAST(to_json(t1.place) AS TEXT) || ',"number":' || CAST(t1.number AS TEXT) || ',"title":' || CAST(to_json(t1.title) AS TEXT) || ',"text":' || coalesce(CAST(to_json(t1.text) AS TEXT), 'null') || ',"memo":' || CAST(to_json(t1.memo) AS TEXT) || ',"owner":"' || t1.owner || '","created":"' || replace(to_char(timezone('UTC', t1.created), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '","updated":"' || replace(to_char(timezone('UTC', t1.updated), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z') || '"}' AS c0, f.rank AS c1, t1.place AS c2, t1.number AS c3
FROM (SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 0 AS scope, CAST(round(CAST(ts_rank('{0.0000, 0.3333, 0.3333, 1.0000}'::float4[], abaft_search_notes_358224df.stems, (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
FROM unnest($1::TEXT[] COLLATE "C") AS w)) * 1000000 AS FLOAT)) AS BIGINT) AS rank
FROM abaft_search_notes_358224df
WHERE abaft_search_notes_358224df.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
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
FROM (SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 0 AS scope, 0 AS rank
FROM abaft_search_notes_358224df
WHERE (abaft_search_notes_358224df.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_1
FROM unnest($2::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_358224df.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $3::VARCHAR) AS to_tsquery_1)) UNION ALL SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 1 AS scope, 0 AS rank
FROM abaft_search_notes_358224df
WHERE (abaft_search_notes_358224df.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_2
FROM unnest($4::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_358224df.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $5::VARCHAR) AS to_tsquery_2))) AS f JOIN notes AS t2 ON true
WHERE t2.place = f.k0 AND t2.number = f.k1 AND (f.scope = 0 AND t2.owner = $6::UUID OR f.scope = 1 AND t2.owner != $7::UUID)) AS c3
FROM (SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 0 AS scope, 0 AS rank
FROM abaft_search_notes_358224df
WHERE (abaft_search_notes_358224df.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || '''') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_3
FROM unnest($8::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_358224df.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $9::VARCHAR) AS to_tsquery_3)) UNION ALL SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 1 AS scope, 0 AS rank
FROM abaft_search_notes_358224df
WHERE (abaft_search_notes_358224df.stems @@ (SELECT CAST(string_agg(CASE WHEN (left(w, 1) = '!') THEN '!(' ELSE '(' END || CAST(to_tsquery(CAST('abaft_english' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('abaft_german' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ' | ' || CAST(to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), '''' || ltrim(w, '!') || ''':AB') AS TEXT) || ')', ' & ') AS TSQUERY) AS string_agg_4
FROM unnest($10::TEXT[] COLLATE "C") AS w)) AND (abaft_search_notes_358224df.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $11::VARCHAR) AS to_tsquery_4))) AS f JOIN notes AS t1 ON true
WHERE t1.place = f.k0 AND t1.number = f.k1 AND (f.scope = 0 AND t1.owner = $12::UUID OR f.scope = 1 AND t1.owner != $13::UUID) ORDER BY t1.number ASC, t1.place ASC
LIMIT $14::BIGINT;

-- highlighted: /api/notes?search="a storm"&highlight=true&fields=number
-- ('a':AB <-> 'storm':AB) & !('ru':*AB)
-- search, limit
SELECT '{"number":' || CAST(t1.number AS TEXT) || '}' AS c0, f.rank AS c1, t1.place AS c2, t1.number AS c3, substr(t1.title, 1, 10000) AS h0, substr(t1.text, 1, 10000) AS h1
FROM (SELECT abaft_search_notes_358224df.k0 AS k0, abaft_search_notes_358224df.k1 AS k1, 0 AS scope, CAST(round(CAST(ts_rank('{0.0000, 0.0000, 0.3333, 1.0000}'::float4[], abaft_search_notes_358224df.words, (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $1::VARCHAR) AS to_tsquery_1)) * 1000000 AS FLOAT)) AS BIGINT) AS rank
FROM abaft_search_notes_358224df
WHERE abaft_search_notes_358224df.words @@ (SELECT to_tsquery(CAST('pg_catalog.simple' AS REGCONFIG), $1::VARCHAR) AS to_tsquery_1)) AS f JOIN notes AS t1 ON true
WHERE t1.place = f.k0 AND t1.number = f.k1 ORDER BY f.rank DESC, t1.place DESC, t1.number DESC
LIMIT $2::BIGINT;
