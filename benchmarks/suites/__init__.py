"""What the tool costs, and what others give: outside the wheel and the import contract."""
