"""The ledger: states, legal moves, claims and recovery. The only writer of the truth about money.

`store` opens it; `plans`, `sending`, `moves`, `collecting`, `holding` and `standing` are functions that take it first.
"""
