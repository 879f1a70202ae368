"""Business rules on the database: no text, no channel, no HTTP."""
