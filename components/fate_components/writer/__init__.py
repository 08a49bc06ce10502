"""Writer and Download: a component's output as a table of the site, or as a file."""
