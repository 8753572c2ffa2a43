"""The use cases, in order: the only package, next to `checks`, that `cli` and `defs` call."""
