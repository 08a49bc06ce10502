"""ModelLoader: a model of an earlier job or version, to be applied or trained further."""
