"""Loops over an `evaluate` function: which method suits. Nothing here trains or times."""
