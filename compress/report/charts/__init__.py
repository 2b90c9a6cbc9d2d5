"""Static SVG pictures: pure functions from values to text, coloured by the page's style sheet."""
