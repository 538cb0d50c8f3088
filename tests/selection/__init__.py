"""Selection of tests: those that a change can affect, and a share of the others, within a budget.

`graph` has the dependencies of test files, `changes` the changed files, `record` the last complete run, `budget` the choice,
`plugin` connects them with pytest, `second_run` repeats failed tests, `shares` draws the cases of long proofs.
"""
