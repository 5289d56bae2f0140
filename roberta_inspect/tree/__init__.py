"""The module tree: every module with its parameters, what it returns and which slots it feeds."""
