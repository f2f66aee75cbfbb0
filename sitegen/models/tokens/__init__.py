"""Text and tokens: what the browser needs of a tokenizer, and a vocabulary of what is used."""
