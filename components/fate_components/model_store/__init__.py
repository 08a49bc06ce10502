"""ModelStore and ModelRestore: versions of models, to a place outside of the site and back."""
