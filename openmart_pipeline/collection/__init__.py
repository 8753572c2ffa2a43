"""From batch ids to answers in the ledger. Free, and safe to repeat."""
