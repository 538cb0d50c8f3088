"""Results of other tools as submissions: pure functions from documents to `kubekeep.model.submission.Submission`.

Each module has a function `convert`. The time of the state is the time of receipt: documents of several tools about one source
arrive in any order, and one that seems older than another must not be ignored. The identity of a submission follows from its
source and its documents, so that the same document is one scan. No I/O.
"""
