"""How often a verdict is wrong, on a real machine. Not part of the wheel."""
