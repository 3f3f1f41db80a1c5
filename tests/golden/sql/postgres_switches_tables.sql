-- Renewed by: RENEW_GOLDEN=1 python -m pytest tests/test_golden_switches.py

-- Board
CREATE TABLE boards (
	name TEXT COLLATE "C" NOT NULL,
	deleted TIMESTAMP WITH TIME ZONE,
	PRIMARY KEY (name)
);
CREATE INDEX ix_boards_deleted ON boards (deleted, name) WHERE deleted IS NOT NULL;

-- Mark
CREATE TABLE marks (
	name TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (name)
);

-- Card
CREATE TABLE cards (
	name TEXT COLLATE "C" NOT NULL,
	slug TEXT COLLATE "C" NOT NULL,
	open BOOLEAN NOT NULL,
	secret TEXT COLLATE "C" NOT NULL,
	board TEXT COLLATE "C" NOT NULL,
	deleted TIMESTAMP WITH TIME ZONE,
	position TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (name)
);
CREATE UNIQUE INDEX uq_cards_slug_if_d5ee273f ON cards (slug) WHERE open = true AND deleted IS NULL;
CREATE UNIQUE INDEX uq_cards_board_position ON cards (board, position);
CREATE INDEX ix_cards_deleted ON cards (deleted, name) WHERE deleted IS NOT NULL;
UPDATE cards SET position = CAST(n.place AS TEXT) FROM (SELECT name, 500000000000 + row_number() OVER (PARTITION BY board ORDER BY name) AS place FROM cards) AS n WHERE n.name = cards.name;

-- Card.marks
CREATE TABLE card_marks (
	card TEXT COLLATE "C" NOT NULL,
	mark TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (card, mark)
);
CREATE INDEX ix_card_marks_mark_card ON card_marks (mark, card);

-- the feed
DROP INDEX ix_abaft_changes_of_gone;
CREATE INDEX ix_abaft_changes_of_cards ON abaft_changes (record, seq) WHERE model = 'Card';
