"""Turn pictures as they are published into data folders that can be trained on; nothing here imports TensorFlow.

prepare          fills data/train/<class>, data/validation/<class> from an archive or folder; all of it or nothing
  download       fetches an archive, and goes on where it was interrupted
  archives       lists folders, zips and tars alike; refuses what would write outside
  layouts        finds out which file is of which class and split, or refuses to guess
    split_folders  finds the folders of training, validation and test pictures
    class_folders  reads classes from folders or file names
    layout_choice  holds what the user says about a layout
    folder_tree    rebuilds folders from names
  selection      decodes candidates until every class has its pictures
  staging        publishes by one rename
sample/          draws the built-in cats and dogs
inspection       checks data folders: before every sweep, and by ``data check`` in full
  listing        lists the pictures of a data folder
  fingerprints   computes what changes with any picture's name or content
  pictures       reads one picture: its header, its pixels, its standard form
  names          reads single file and folder names
  parallel       applies a function to many pictures in several processes
"""
