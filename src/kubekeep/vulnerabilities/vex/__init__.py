"""VEX documents: statements about the status of a vulnerability in a product. Never changes a match without a record."""
