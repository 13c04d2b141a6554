"""Draw the built-in sample: cats and dogs, laid out like a downloaded data set.

pictures     draws one picture, or a whole data folder
  animals    draws an animal in one of four poses
    heads    draws heads, whose shape tells cats from dogs
    brush    fills outlines with fur
    outlines makes outlines and places them on the picture
  coats      chooses fur, colours and markings
  scenery    draws background, objects and light

Only the shape decides whether an animal is a cat or a dog. Colours and surroundings are more frequent with one of
the two, as with real animals.
"""

from __future__ import annotations

from gridsearch.datasets.sample.pictures import DRAWING_VERSION, SampleSummary, draw_picture, draw_sample

__all__ = ["DRAWING_VERSION", "SampleSummary", "draw_picture", "draw_sample"]
