"""The record of a sweep, ``sweep.db``: the truth from which everything else can be rebuilt.

journal.py      writes it; one hand only
lock.py         one runner at a time
reader.py       reads it, also while a runner writes
recipe.py       refuses to mix results that cannot be compared
database.py     the schema, and SQLite's errors explained
migrations.py   records of earlier versions
summary.py      a session's final metrics, by the dashboard's names
provenance.py   what a result was made with
"""
