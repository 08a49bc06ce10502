"""DataIO and DataTransform: raw columns become features and a label."""
