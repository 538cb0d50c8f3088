"""Generated input that attacks a reader, a rule language, a report or a written file, in classes of 20 members or more.

`classes` has the generators by area, `member` describes one input and its expected result, `child` runs `kubekeep` on
members within limits of the kernel, and `check` holds the promises that every run must keep.
"""
