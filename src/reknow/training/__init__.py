"""The loop: recipes in, run folders out. It knows no method by name."""
