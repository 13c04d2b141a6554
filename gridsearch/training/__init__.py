"""Train one session; the only room that imports TensorFlow and Keras, and only in the process that trains.

fit ──► images    ImageDataGenerator pipelines, a batch ahead of the model
    └─► models    the cats-vs-dogs network, or the user's own, compiled
"""
