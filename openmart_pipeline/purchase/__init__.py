"""One plan becomes POSTs, each sent at most once. The only package that spends."""
