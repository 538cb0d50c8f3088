"""Work of the tools, one module per tool, in a worker process that the server ends if a call is cancelled.

Functions receive and return values that can be pickled. They raise TaskError for errors that clients should see.
"""
