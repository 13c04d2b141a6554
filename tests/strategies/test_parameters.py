"""Combinations as parameters and back: one law, over grids of any kind."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from laws import hparam_lists, one_type_each, typed

from gridsearch.hparams.grid import space_of
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.strategies.parameters import GRID, ParameterCodec


@given(grids=st.lists(hparam_lists(), min_size=1, max_size=3))
def test_a_combination_comes_back_as_it_was(grids: list) -> None:
    """Encoded and decoded, every combination has the same values of the same types, whichever grid it is of."""
    assume(one_type_each(grids))
    codec = ParameterCodec(SearchSpace(grids))
    for combination in space_of(grids):
        encoded = codec.encode(combination)
        assert typed(codec.decode(encoded)) == typed(combination)
        assert set(encoded) <= {GRID, *(parameter.name for parameter in codec)}
        assert (GRID in encoded) == (codec.grids > 1)


@given(grids=st.lists(hparam_lists(), min_size=2, max_size=3))
def test_no_two_grids_share_a_parameter(grids: list) -> None:
    assume(one_type_each(grids))
    names = [parameter.name for parameter in ParameterCodec(SearchSpace(grids))]
    assert len(names) == len(set(names)) == sum(map(len, grids))
