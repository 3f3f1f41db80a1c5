-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- Board
CREATE TABLE boards (
	name VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	deleted DATETIME(6),
	PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX ix_boards_deleted ON boards (deleted);

-- Mark
CREATE TABLE marks (
	name VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Card
CREATE TABLE cards (
	name VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	slug LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	open TINYINT(1) NOT NULL,
	secret LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	board VARCHAR(768) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	deleted DATETIME(6),
	position LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	abaft_sum_slug VARBINARY(32) GENERATED ALWAYS AS (unhex(sha2(slug, 256))) VIRTUAL INVISIBLE,
	abaft_if_uq_cards_slug_if_d5ee273f TINYINT GENERATED ALWAYS AS (CASE WHEN (open = 1 AND deleted IS NULL) THEN 1 END) VIRTUAL INVISIBLE,
	abaft_sum_board VARBINARY(32) GENERATED ALWAYS AS (unhex(sha2(board, 256))) VIRTUAL INVISIBLE,
	abaft_sum_position VARBINARY(32) GENERATED ALWAYS AS (unhex(sha2(position, 256))) VIRTUAL INVISIBLE,
	PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE UNIQUE INDEX uq_cards_slug_if_d5ee273f ON cards (abaft_sum_slug, abaft_if_uq_cards_slug_if_d5ee273f);
CREATE UNIQUE INDEX uq_cards_board_position ON cards (abaft_sum_board, abaft_sum_position);
CREATE INDEX ix_cards_deleted ON cards (deleted);
UPDATE cards JOIN (SELECT name, 500000000000 + row_number() OVER (PARTITION BY board ORDER BY name) AS place FROM cards) AS n ON n.name = cards.name SET position = CAST(n.place AS CHAR);

-- Card.marks
CREATE TABLE card_marks (
	card VARCHAR(384) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	mark VARCHAR(384) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
	PRIMARY KEY (card, mark)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE INDEX ix_card_marks_mark_card ON card_marks (mark);

-- the feed
DROP INDEX ix_abaft_changes_of_gone ON abaft_changes;
CREATE INDEX ix_abaft_changes_of_cards ON abaft_changes (model(64), record(191), seq);
