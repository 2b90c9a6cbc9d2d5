"""Networks for texts: encoders that inherit layers, pruned vocabularies, static embeddings."""
