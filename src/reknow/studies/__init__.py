"""Studies: a question, recipes that differ in named fields, seeds; and what came out, as a table and a figure."""
