"""Numbers in fewer bits, and which graphs of a model store which of their weights so."""
