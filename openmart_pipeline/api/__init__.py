"""The Openmart API over HTTP: requests, answers, errors, and how fast to ask.

Not here: what is worth buying, what has been bought, tables, Dagster.
"""
