"""What is made of results.json: a document, plots, the comparison of two runs, the README's results."""
