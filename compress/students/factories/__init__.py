"""Families of students that are small and fast on a CPU: images, texts, and rows of numbers."""
