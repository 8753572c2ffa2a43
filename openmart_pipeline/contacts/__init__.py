"""From a raw answer to typed people: one form for each field."""
