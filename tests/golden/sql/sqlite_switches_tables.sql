-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- Board
CREATE TABLE boards (
	name TEXT NOT NULL,
	deleted TEXT,
	PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_boards_deleted ON boards (deleted, name) WHERE deleted IS NOT NULL;

-- Mark
CREATE TABLE marks (
	name TEXT NOT NULL,
	PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

-- Card
CREATE TABLE cards (
	name TEXT NOT NULL,
	slug TEXT NOT NULL,
	open INTEGER NOT NULL,
	secret TEXT NOT NULL,
	board TEXT NOT NULL,
	deleted TEXT,
	position TEXT NOT NULL,
	PRIMARY KEY (name),
	CONSTRAINT fk_cards_board FOREIGN KEY(board) REFERENCES boards (name) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;
CREATE UNIQUE INDEX uq_cards_slug_if_d5ee273f ON cards (slug) WHERE open = 1 AND deleted IS NULL;
CREATE UNIQUE INDEX uq_cards_board_position ON cards (board, position);
CREATE INDEX ix_cards_deleted ON cards (deleted, name) WHERE deleted IS NOT NULL;
UPDATE cards SET position = CAST(n.place AS TEXT) FROM (SELECT name, 500000000000 + row_number() OVER (PARTITION BY board ORDER BY name) AS place FROM cards) AS n WHERE n.name = cards.name;

-- Card.marks
CREATE TABLE card_marks (
	card TEXT NOT NULL,
	mark TEXT NOT NULL,
	PRIMARY KEY (card, mark),
	CONSTRAINT fk_card_marks_card FOREIGN KEY(card) REFERENCES cards (name) ON DELETE CASCADE,
	CONSTRAINT fk_card_marks_mark FOREIGN KEY(mark) REFERENCES marks (name) ON DELETE CASCADE
)
 WITHOUT ROWID,
 STRICT;
CREATE INDEX ix_card_marks_mark_card ON card_marks (mark, card);

-- the feed
DROP INDEX ix_abaft_changes_of_gone;
CREATE INDEX ix_abaft_changes_of_cards ON abaft_changes (record, seq) WHERE model = 'Card';
