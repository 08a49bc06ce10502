"""Reader: a table of the site's catalogue as the first data of a pipeline."""
