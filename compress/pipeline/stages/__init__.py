"""The stages of a run, one file per station of the way from recipe to shipped file."""
