"""Databases in the shapes that people bring, small: a shop of music, a wholesaler, a film rental.

Named after the samples that everybody knows; tables and rows are written for these tests.
"""

MUSIC = """
CREATE TABLE [Artist] ([ArtistId] INTEGER NOT NULL, [Name] NVARCHAR(120),
    CONSTRAINT [PK_Artist] PRIMARY KEY ([ArtistId]));
CREATE TABLE [Album] ([AlbumId] INTEGER NOT NULL PRIMARY KEY, [Title] NVARCHAR(160) NOT NULL,
    [ArtistId] INTEGER NOT NULL,
    FOREIGN KEY ([ArtistId]) REFERENCES [Artist] ([ArtistId]) ON DELETE NO ACTION);
CREATE TABLE [Employee] ([EmployeeId] INTEGER PRIMARY KEY NOT NULL,
    [LastName] NVARCHAR(20) NOT NULL,
    [Title] NVARCHAR(30), [ReportsTo] INTEGER, [BirthDate] DATETIME, [HireDate] DATETIME,
    FOREIGN KEY ([ReportsTo]) REFERENCES [Employee] ([EmployeeId]));
CREATE TABLE [Customer] ([CustomerId] INTEGER NOT NULL PRIMARY KEY, [Email] NVARCHAR(60) NOT NULL,
    [SupportRepId] INTEGER, FOREIGN KEY ([SupportRepId]) REFERENCES [Employee] ([EmployeeId]));
CREATE TABLE [Invoice] ([InvoiceId] INTEGER NOT NULL PRIMARY KEY, [CustomerId] INTEGER NOT NULL,
    [InvoiceDate] DATETIME NOT NULL, [Total] NUMERIC(10,2) NOT NULL,
    FOREIGN KEY ([CustomerId]) REFERENCES [Customer] ([CustomerId]));
CREATE TABLE [Track] ([TrackId] INTEGER NOT NULL PRIMARY KEY, [Name] NVARCHAR(200) NOT NULL,
    [AlbumId] INTEGER, [Milliseconds] INTEGER NOT NULL, [UnitPrice] NUMERIC(10,2) NOT NULL,
    FOREIGN KEY ([AlbumId]) REFERENCES [Album] ([AlbumId]));
CREATE TABLE [InvoiceLine] ([InvoiceLineId] INTEGER NOT NULL PRIMARY KEY,
    [InvoiceId] INTEGER NOT NULL, [TrackId] INTEGER NOT NULL, [UnitPrice] NUMERIC(10,2) NOT NULL,
    [Quantity] INTEGER NOT NULL, FOREIGN KEY ([InvoiceId]) REFERENCES [Invoice] ([InvoiceId]),
    FOREIGN KEY ([TrackId]) REFERENCES [Track] ([TrackId]));
CREATE TABLE [Playlist] ([PlaylistId] INTEGER NOT NULL PRIMARY KEY, [Name] NVARCHAR(120));
CREATE TABLE [PlaylistTrack] ([PlaylistId] INTEGER NOT NULL, [TrackId] INTEGER NOT NULL,
    CONSTRAINT [PK_PlaylistTrack] PRIMARY KEY ([PlaylistId], [TrackId]),
    FOREIGN KEY ([PlaylistId]) REFERENCES [Playlist] ([PlaylistId]),
    FOREIGN KEY ([TrackId]) REFERENCES [Track] ([TrackId]));
CREATE INDEX [IFK_AlbumArtistId] ON [Album] ([ArtistId]);
INSERT INTO [Artist] VALUES (1, 'Áccept'), (2, 'zz'), (3, 'Zz'), (4, NULL);
INSERT INTO [Album] VALUES (1, 'For Those About', 1), (2, 'O''Clock "B"', 2);
INSERT INTO [Employee] VALUES
    (1, 'Adams', 'Boss', NULL, '1962-02-18 00:00:00', '2002-08-14 00:00:00'),
    (2, 'Edwards', NULL, 1, NULL, '2002-05-01 10:30:00');
INSERT INTO [Customer] VALUES (1, 'luis@example.com', 2), (2, 'leo@example.com', NULL);
INSERT INTO [Invoice] VALUES (1, 1, '2009-01-01 00:00:00', 1.98), (2, 1, '2009-01-02 00:00:00', 3),
    (3, 2, '2008-12-31 23:59:59', 0.1);
INSERT INTO [Track] VALUES (1, 'One', 1, 343719, 0.99), (2, 'Two', NULL, 1, 1.99);
INSERT INTO [InvoiceLine] VALUES (1, 1, 1, 0.99, 1), (2, 1, 2, 0.99, 3);
INSERT INTO [Playlist] VALUES (1, 'Music'), (2, NULL);
INSERT INTO [PlaylistTrack] VALUES (1, 1), (1, 2), (2, 2);
"""

WHOLESALE = """
CREATE TABLE "Categories" ("CategoryID" INTEGER PRIMARY KEY AUTOINCREMENT, "CategoryName" TEXT,
    "Picture" BLOB);
CREATE TABLE "Customers" ("CustomerID" TEXT, "CompanyName" TEXT NOT NULL,
    PRIMARY KEY ("CustomerID"));
CREATE TABLE "CustomerDemographics" ("CustomerTypeID" TEXT NOT NULL, "CustomerDesc" TEXT,
    PRIMARY KEY ("CustomerTypeID"));
CREATE TABLE "CustomerCustomerDemo" ("CustomerID" TEXT NOT NULL, "CustomerTypeID" TEXT NOT NULL,
    PRIMARY KEY ("CustomerID", "CustomerTypeID"),
    FOREIGN KEY ("CustomerID") REFERENCES "Customers" ("CustomerID"),
    FOREIGN KEY ("CustomerTypeID") REFERENCES "CustomerDemographics" ("CustomerTypeID"));
CREATE TABLE "Employees" ("EmployeeID" INTEGER PRIMARY KEY AUTOINCREMENT, "LastName" TEXT,
    "BirthDate" DATE, "HireDate" DATETIME, "Photo" BLOB, "ReportsTo" INTEGER,
    FOREIGN KEY ("ReportsTo") REFERENCES "Employees" ("EmployeeID"));
CREATE TABLE "Regions" ("RegionID" INTEGER NOT NULL PRIMARY KEY, "RegionDescription" TEXT NOT NULL);
CREATE TABLE "Territories" ("TerritoryID" TEXT NOT NULL, "TerritoryDescription" TEXT NOT NULL,
    "RegionID" INTEGER NOT NULL, PRIMARY KEY ("TerritoryID"),
    FOREIGN KEY ("RegionID") REFERENCES "Regions" ("RegionID"));
CREATE TABLE "EmployeeTerritories" ("EmployeeID" INTEGER NOT NULL, "TerritoryID" TEXT NOT NULL,
    PRIMARY KEY ("EmployeeID", "TerritoryID"),
    FOREIGN KEY ("EmployeeID") REFERENCES "Employees" ("EmployeeID"),
    FOREIGN KEY ("TerritoryID") REFERENCES "Territories" ("TerritoryID"));
CREATE TABLE "Products" ("ProductID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "ProductName" TEXT NOT NULL, "CategoryID" INTEGER, "UnitPrice" NUMERIC DEFAULT 0,
    "UnitsInStock" INTEGER DEFAULT 0, "Discontinued" TEXT NOT NULL DEFAULT '0',
    CHECK ("UnitPrice" >= 0), FOREIGN KEY ("CategoryID") REFERENCES "Categories" ("CategoryID"));
CREATE TABLE "Orders" ("OrderID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "CustomerID" TEXT,
    "EmployeeID" INTEGER, "OrderDate" DATETIME, "Freight" NUMERIC DEFAULT 0,
    FOREIGN KEY ("CustomerID") REFERENCES "Customers" ("CustomerID"),
    FOREIGN KEY ("EmployeeID") REFERENCES "Employees" ("EmployeeID"));
CREATE TABLE "Order Details" ("OrderID" INTEGER NOT NULL, "ProductID" INTEGER NOT NULL,
    "UnitPrice" NUMERIC NOT NULL DEFAULT 0, "Quantity" INTEGER NOT NULL DEFAULT 1,
    "Discount" REAL NOT NULL DEFAULT 0, PRIMARY KEY ("OrderID", "ProductID"),
    CHECK ("Discount" >= 0 AND "Discount" <= 1),
    FOREIGN KEY ("OrderID") REFERENCES "Orders" ("OrderID") ON DELETE CASCADE,
    FOREIGN KEY ("ProductID") REFERENCES "Products" ("ProductID"));
CREATE TABLE "Shipment Notes" ("OrderID" INTEGER NOT NULL, "ProductID" INTEGER NOT NULL,
    "Line No" INTEGER NOT NULL, "Note Text" TEXT, PRIMARY KEY ("OrderID", "ProductID", "Line No"),
    FOREIGN KEY ("OrderID", "ProductID") REFERENCES "Order Details" ("OrderID", "ProductID"));
CREATE TABLE "Import Log" ("Message" TEXT, "Size");
CREATE VIEW "Order Subtotals" AS SELECT "OrderID", sum("UnitPrice" * "Quantity") AS "Sub Total"
    FROM "Order Details" GROUP BY "OrderID";
CREATE VIEW "Words" AS SELECT 'same' AS word UNION ALL SELECT 'same';
INSERT INTO "Categories" VALUES (1, 'Beverages', x'ffd8'), (2, NULL, NULL);
INSERT INTO "Customers" VALUES ('ALFKI', 'Alfreds'), ('B/S,?', 'Berglunds'), ('bär', 'b');
INSERT INTO "CustomerDemographics" VALUES ('big', 'spends');
INSERT INTO "CustomerCustomerDemo" VALUES ('ALFKI', 'big');
INSERT INTO "Employees" VALUES (1, 'Davolio', '1968-12-08', '2012-05-01 00:00:00.000', x'00', NULL),
    (2, 'Fuller', NULL, '2012-08-14 12:30:00.500', NULL, 1);
INSERT INTO "Regions" VALUES (1, 'East');
INSERT INTO "Territories" VALUES ('01581', 'Westboro', 1), ('98004', 'Bellevue', 1);
INSERT INTO "EmployeeTerritories" VALUES (1, '01581'), (2, '01581'), (2, '98004');
INSERT INTO "Products" VALUES (1, 'Chai', 1, 18, 39, '0'), (2, 'Chang', NULL, 19.25, NULL, '1');
INSERT INTO "Orders" VALUES (10248, 'ALFKI', 1, '2016-07-04', 32.38),
    (10249, 'B/S,?', NULL, '2016-07-05 10:00:00', 11), (10250, NULL, 2, NULL, NULL);
INSERT INTO "Order Details" VALUES (10248, 1, 14, 12, 0), (10248, 2, 9.8, 10, 0.15),
    (10249, 1, 18.6, 9, 0.25);
INSERT INTO "Shipment Notes" VALUES (10248, 1, 1, 'fragile'), (10248, 1, 2, NULL);
INSERT INTO "Import Log" VALUES ('begun', 1), ('begun', 2.5), (NULL, 'three');
"""

FILMS = """
CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN year AS integer CHECK (VALUE >= 1901 AND VALUE <= 2155);
CREATE TABLE language (language_id serial PRIMARY KEY, name character(20) NOT NULL,
    last_update timestamp without time zone DEFAULT now() NOT NULL);
CREATE TABLE category (category_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name varchar(25) NOT NULL UNIQUE, parent_id integer REFERENCES category ON DELETE SET NULL);
CREATE TABLE film (film_id serial PRIMARY KEY, title varchar(255) NOT NULL, description text,
    release_year year, language_id smallint NOT NULL REFERENCES language,
    original_language_id smallint REFERENCES language, rental_duration smallint DEFAULT 3 NOT NULL,
    rental_rate numeric(4,2) DEFAULT 4.99 NOT NULL, length smallint,
    rating mpaa_rating DEFAULT 'G'::mpaa_rating, special_features text[],
    fulltext tsvector NOT NULL,
    last_update timestamptz DEFAULT '2020-01-01Z' NOT NULL,
    loud varchar GENERATED ALWAYS AS (upper(title)) STORED);
CREATE FUNCTION film_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.fulltext := to_tsvector('simple', NEW.title); RETURN NEW; END $$;
CREATE TRIGGER film_fulltext BEFORE INSERT OR UPDATE ON film
    FOR EACH ROW EXECUTE FUNCTION film_words();
COMMENT ON TABLE film IS 'What is for rent';
COMMENT ON COLUMN film.length IS 'Minutes, "about"';
CREATE TABLE film_category (film_id integer NOT NULL REFERENCES film ON DELETE CASCADE,
    category_id integer NOT NULL REFERENCES category, last_update timestamp DEFAULT now() NOT NULL,
    PRIMARY KEY (film_id, category_id));
CREATE TABLE actor (actor_id bigserial PRIMARY KEY, first_name text NOT NULL COLLATE "C",
    email text COLLATE "C", UNIQUE (first_name, email));
CREATE TABLE film_actor (actor_id bigint NOT NULL REFERENCES actor, film_id integer NOT NULL
    REFERENCES film, role text NOT NULL, PRIMARY KEY (actor_id, film_id));
CREATE TABLE payment (payment_id bigint GENERATED BY DEFAULT AS IDENTITY, amount numeric(5,2)
    NOT NULL, payment_date timestamptz NOT NULL, PRIMARY KEY (payment_date, payment_id))
    PARTITION BY RANGE (payment_date);
CREATE TABLE payment_2022 PARTITION OF payment FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE payment_rest PARTITION OF payment DEFAULT;
CREATE TABLE "Mixed Case" ("Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "Select" boolean,
    "Größe" real, price money, "user.name" text, wait interval, notes json, deep jsonb,
    address inet, "time" time, day date, bytes bytea, ratio double precision, free numeric,
    odd xml);
CREATE TABLE keyless (note text, size integer);
CREATE TABLE keyed_by_unique (code char(3) NOT NULL UNIQUE, label varchar);
CREATE SCHEMA store;
CREATE TABLE store.film (film_id uuid PRIMARY KEY, title text);
CREATE TABLE store."order" (order_id integer PRIMARY KEY, film_id integer NOT NULL
    REFERENCES public.film, total numeric(20,4) NOT NULL);
CREATE VIEW film_list AS SELECT f.film_id AS fid, f.title, f.rental_rate AS price, f.rating
    FROM film f;
CREATE MATERIALIZED VIEW rental_by_category AS SELECT c.name AS category, count(*) AS films
    FROM film_category JOIN category c USING (category_id) GROUP BY 1;
INSERT INTO language (name) VALUES ('English'), ('Čeština');
INSERT INTO category (name, parent_id) VALUES ('Action', NULL), ('action', 1), ('Ärger', 1);
INSERT INTO film (title, release_year, language_id, original_language_id, length, rating,
    special_features) VALUES ('ACADEMY', 2006, 1, NULL, 86, 'PG', '{Trailers,"Deleted Scenes"}'),
    ('academy', NULL, 1, 2, NULL, 'NC-17', NULL), ('Ägypten', 1999, 2, 2, 48, NULL, '{}');
INSERT INTO film_category (film_id, category_id) VALUES (1, 1), (1, 2), (2, 2);
INSERT INTO actor (first_name, email) VALUES ('PENELOPE', NULL), ('NICK', 'nick@example.com');
INSERT INTO film_actor VALUES (1, 1, 'lead'), (2, 1, 'extra'), (1, 2, 'lead');
INSERT INTO payment (amount, payment_date) VALUES (5.99, '2022-01-29 01:58:52.222594+00'),
    (0.99, '2022-01-29 01:58:52.222594+00'), (7, '2024-02-29 00:00:00+00');
INSERT INTO "Mixed Case" VALUES
    ('00000000-0000-0000-0000-000000000001', true, 0.1, '1.00', 'a', '1 day 2 hours',
    '{"b":1,"a":2}',
    '{"x": [1, null]}', '10.0.0.1', '10:30', '2020-02-29', '\\x00ff', 1e-7, 1.25, '<a/>'),
    ('00000000-0000-0000-0000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL),
    ('00000000-0000-0000-0000-000000000003', false, 16777216, NULL, 'A', '-00:00:01', '[]', '1',
    '9.9.9.0/24', '00:00', '0001-01-01', '', -2.5, 100.123, '<b/>');
INSERT INTO keyless VALUES ('a', 1), ('a', 1), (NULL, NULL);
INSERT INTO keyed_by_unique VALUES ('ab', 'x'), ('abc', NULL);
INSERT INTO store.film VALUES ('00000000-0000-0000-0000-000000000009', 'other');
INSERT INTO store."order" VALUES (1, 1, 1234567890123456.7891), (2, 3, 0);
REFRESH MATERIALIZED VIEW rental_by_category;
"""

# What no language would have as a name. The key of the second is of two columns, turned round.
ODD = """
CREATE TABLE "a.b""c '%' ?" ("id" INTEGER NOT NULL PRIMARY KEY, "class" TEXT, "sort" TEXT,
    "field" INTEGER, "dt" TIMESTAMP, "created" INTEGER, "updated" TIMESTAMP NOT NULL, "100%" TEXT,
    ":x ?" TEXT, "A B" TEXT, "a_b" TEXT, "a  b" TEXT, "_x__y_" TEXT, "日本" TEXT, "Größe" TEXT,
    "everybody" TEXT, "self" TEXT, "str" TEXT, "None" TEXT, "$1" TEXT, "it's" TEXT, "a""b" TEXT,
    "a\\b" TEXT, "LastName" TEXT, "HTTPCode" INTEGER,
    "a very long name that goes on and on and on until it is long" TEXT,
    "parent_id" INTEGER REFERENCES "a.b""c '%' ?" ("id"), "parent" TEXT);
CREATE TABLE "select" ("from" TEXT NOT NULL, "where" INTEGER NOT NULL, "order by" TEXT,
    PRIMARY KEY ("where", "from"));
CREATE TABLE "2024 sales" ("2x" INTEGER NOT NULL PRIMARY KEY REFERENCES "a.b""c '%' ?" ("id"),
    "select_from" TEXT, "select_where" INTEGER,
    FOREIGN KEY ("select_where", "select_from") REFERENCES "select" ("where", "from"));
CREATE TABLE "Model" ("a" INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE "models" ("a" INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE "people" ("id" INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE "日本" ("id" INTEGER NOT NULL PRIMARY KEY, "UNIQUE" INTEGER UNIQUE);
INSERT INTO "a.b""c '%' ?" ("id", "class", "created", "updated", "100%", ":x ?", "a""b", "a\\b",
    "parent_id", "parent", "A B", "a_b", "a  b") VALUES
    (1, 'c', 5, '2020-01-01 00:00:00', '%', '?', '"', '\\', NULL, 'p', '1', '2', '3'),
    (2, NULL, NULL, '2020-01-02 00:00:00', NULL, NULL, NULL, NULL, 1, NULL, '3', '2', '1');
INSERT INTO "select" VALUES ('x', 1, 'y'), ('x', 2, NULL), ('w,/', 2, '');
INSERT INTO "2024 sales" VALUES (1, 'x', 1), (2, NULL, 2);
INSERT INTO "Model" VALUES (1);
INSERT INTO "日本" VALUES (1, 1), (2, NULL);
"""

RENTALS = """
CREATE TABLE language (language_id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name CHAR(20) NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
    ON UPDATE CURRENT_TIMESTAMP) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE TABLE category (category_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(25) NOT NULL UNIQUE, parent_id INT,
    FOREIGN KEY (parent_id) REFERENCES category (category_id) ON DELETE SET NULL);
CREATE TABLE film (film_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    title VARCHAR(128) NOT NULL, description TEXT, release_year YEAR,
    language_id TINYINT UNSIGNED NOT NULL, rental_duration TINYINT UNSIGNED NOT NULL DEFAULT 3,
    rental_rate DECIMAL(4,2) NOT NULL DEFAULT 4.99, length SMALLINT COMMENT 'Minutes, "about"',
    rating ENUM('G','PG','it''s') DEFAULT 'G', special_features SET('Trailers','Scenes'),
    last_update DATETIME NOT NULL DEFAULT '2020-01-01', loud VARCHAR(128) AS (upper(title)) STORED,
    FOREIGN KEY (language_id) REFERENCES language (language_id)) COMMENT 'What is for rent'
    DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE film_category (film_id INT UNSIGNED NOT NULL, category_id INT NOT NULL,
    PRIMARY KEY (film_id, category_id),
    FOREIGN KEY (film_id) REFERENCES film (film_id) ON DELETE CASCADE,
    FOREIGN KEY (category_id) REFERENCES category (category_id));
CREATE TABLE country (code CHAR(2) NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL);
CREATE TABLE city (city_id BIGINT NOT NULL PRIMARY KEY, country CHAR(2) NOT NULL, place POINT,
    FOREIGN KEY (country) REFERENCES country (code));
CREATE TABLE "Mixed Case" ("Id" UUID NOT NULL PRIMARY KEY, "Select" BOOLEAN, flag BIT(1),
    "Größe" FLOAT, "user.name" TEXT, notes JSON, address INET6, "time" TIME, day DATE, bytes BLOB,
    short VARBINARY(4), ratio DOUBLE, exact DECIMAL(30,10), big BIGINT UNSIGNED,
    at DATETIME(6), plain VARCHAR(9) COLLATE utf8mb4_nopad_bin);
CREATE TABLE keyless (note TEXT, size INT);
CREATE TABLE keyed_by_unique (code CHAR(3) NOT NULL UNIQUE, label VARCHAR(9));
CREATE VIEW film_list AS SELECT film_id AS fid, title, rental_rate AS price, rating FROM film;
INSERT INTO language (name) VALUES ('English'), ('Čeština');
INSERT INTO category (name, parent_id) VALUES ('Action', NULL), ('Ärger', 1);
INSERT INTO film (title, release_year, language_id, length, rating, special_features) VALUES
    ('ACADEMY', 2006, 1, 86, 'PG', 'Trailers,Scenes'), ('academy', NULL, 1, NULL, 'it''s', NULL),
    ('Ägypten', 1999, 2, 48, NULL, ''), ('academy ', NULL, 2, 0, 'G', 'Scenes');
INSERT INTO film_category VALUES (1, 1), (1, 2), (2, 2);
INSERT INTO country VALUES ('de', 'Deutschland'), ('AT', 'Österreich');
INSERT INTO city VALUES (1, 'de', NULL), (2, 'AT', POINT(1, 2)), (3, 'DE', NULL);
INSERT INTO "Mixed Case" VALUES
    ('00000000-0000-0000-0000-000000000001', true, b'1', 0.1, 'a', '{"b":1,"a":2}', '::1', '10:30',
    '2020-02-29', x'00ff', x'01', 1e-7, 1.25, 18446744073709551615, '2020-01-01', 'a'),
    ('00000000-0000-0000-0000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL),
    ('00000000-0000-0000-0000-000000000003', false, b'0', 16777216, 'A', '[]', '9::', '00:00',
    '0001-01-01', '', '', -2.5, 100.123, 0, '2020-01-01 00:00:00.000001', 'A');
INSERT INTO keyless VALUES ('a', 1), ('a', 1), (NULL, NULL);
INSERT INTO keyed_by_unique VALUES ('ab', 'x'), ('abc', NULL);
"""

_POSTGRES = {
    "[": '"',
    "]": '"',
    "NVARCHAR": "VARCHAR",
    " DATETIME": " TIMESTAMP",
    "AUTOINCREMENT": "",
}


def for_postgres(script: str) -> str:
    """The script of SQLite as PostgreSQL takes it."""
    for old, new in _POSTGRES.items():
        script = script.replace(old, new)
    script = (
        script.replace("BLOB", "BYTEA").replace("x'ffd8'", "'\\xffd8'").replace("x'00'", "'\\x00'")
    )
    script = script.replace('"Size");', '"Size" text);').replace(
        "INTEGER PRIMARY KEY ", "SERIAL PRIMARY KEY "
    )
    return script.replace("INTEGER NOT NULL PRIMARY KEY ", "SERIAL PRIMARY KEY ")


_MARIADB = {
    "[": '"',
    "]": '"',
    "NVARCHAR": "VARCHAR",
    " DATETIME": " DATETIME(6)",
    "AUTOINCREMENT": "AUTO_INCREMENT",
    'ID" TEXT': 'ID" VARCHAR(40)',
    '"Size")': '"Size" TEXT)',
    " NUMERIC(": " DECIMAL(",
    " NUMERIC": " DECIMAL(12,4)",
    " REAL": " DOUBLE",
}


def for_mariadb(script: str) -> str:
    """The script of SQLite as MariaDB takes it."""
    for old, new in _MARIADB.items():
        script = script.replace(old, new)
    return script


SHAPES: dict[str, dict[str, str]] = {
    "mariadb": {
        "music": for_mariadb(MUSIC),
        "wholesale": for_mariadb(WHOLESALE),
        "rentals": RENTALS,
    },
    "sqlite": {"music": MUSIC, "wholesale": WHOLESALE, "odd": ODD},
    "postgres": {
        "music": for_postgres(MUSIC),
        "wholesale": for_postgres(WHOLESALE),
        "films": FILMS,
        "odd": ODD,
    },
}
