-- Which server, and which timeline of its log, the last replica id was handed out by; null while nobody has said. When that
-- is another one than before, the end of the log may be missing, and with it ids that were handed out: those that may have
-- been are passed over.
ALTER TABLE upkeep ADD COLUMN era text;
