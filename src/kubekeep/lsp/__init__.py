"""Language server: findings, fixes and explanations in editors, over standard input and output (LSP 3.17).

Evaluates the unsaved texts of open documents with the use cases of the package. Never writes a file: changes are edits
that the editor applies. Never uses the network.
"""
