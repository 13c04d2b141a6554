"""Cats and dogs drawn with Pillow, each from a random generator of its own.

What tells the kinds apart is their shape (`heads`, `animals`). Everything else, fur, colours and surroundings (`coats`,
`scenery`), is only more or less likely for one kind, as it is among real animals.
"""
