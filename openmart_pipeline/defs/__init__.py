"""The Dagster layer: partitions, assets, checks, automation, and the home where Dagster keeps their history.

Decides nothing about money or rows: every asset takes its inputs, calls one step, returns what to show.
"""
