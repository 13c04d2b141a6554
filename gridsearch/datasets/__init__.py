"""From pictures as they come to pictures that can be trained on; nothing here imports TensorFlow.

prepare      an archive or folder ──► data/train/<class>, data/validation/<class>; all of it or nothing
  download   an archive by its address, going on where it was interrupted
  sources    folders, zips and tars alike, refusing what would write outside
  layout     which file is of which class, in the layouts that archives have
  judging    which pictures can be used: each is decoded in full
  staging    the one rename that makes it public
sample       the built-in data: cats and dogs, drawn
  drawing/   how they are drawn
inspection   what every sweep checks before it begins, and ``data check`` in depth
  pictures   one picture: its header, its pixels, its standard form
  parallel   many pictures, in several processes
"""
