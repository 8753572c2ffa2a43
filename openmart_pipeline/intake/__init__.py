"""From a file as people have it to rows: what is in it, which rows are companies, why the others are set aside.

`companies` is the door. Nothing here knows plans, money or people.
"""
