"""LocalBaseline: a model of scikit-learn that one party fits to its own columns, to compare with."""
