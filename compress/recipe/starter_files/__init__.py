"""Files that `distil init` writes, as data."""
