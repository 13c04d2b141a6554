"""Hyperparameters: their domains, combinations of their values, and the spaces that these make.

domain.py         HParam, Discrete, IntInterval, RealInterval
combination.py    one value for each HParam, with its identity
grid.py           the Cartesian product: sized, indexable, nothing materialised
search_space.py   intervals with everything between their ends
tables.py         HParams as the tables of a sweep file
key_errors.py     errors that name their key
"""
