-- Who holds a replica id, and until when it has said that it lives. All null for a process that never said so.

-- What the node is called.
ALTER TABLE replicas ADD COLUMN node TEXT;
-- The 16 bytes of a random number, the process's own.
ALTER TABLE replicas ADD COLUMN incarnation BLOB;
-- Until when it lives, unless it says so again.
ALTER TABLE replicas ADD COLUMN until_ms INTEGER;
