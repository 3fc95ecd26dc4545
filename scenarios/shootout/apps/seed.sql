-- The tables of db-read and db-write, as the reference application has them: 1,000 rows that are
-- only read, and a table that is only written to. Drops what a run before has written.
--
--     psql "$DATABASE_URL" -f seed.sql
BEGIN;
SET LOCAL client_min_messages = warning;
DROP TABLE IF EXISTS seeded, written;
CREATE TABLE seeded (
    id BIGINT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, score BIGINT NOT NULL
);
CREATE TABLE written (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL, email TEXT NOT NULL, score BIGINT NOT NULL
);
INSERT INTO seeded
    SELECT n, 'user-' || n, 'user-' || n || '@example.com', n * 7919 % 1000
    FROM generate_series(1, 1000) AS n;
COMMIT;
ANALYZE seeded;
