"""Dagster's web server as `dev` starts it: Dagster's own application behind a guard against pages of other sites."""
