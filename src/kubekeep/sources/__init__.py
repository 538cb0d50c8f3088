"""IN: where resources come from. Each folder is one kind of source and registers itself with a module `source`.

`registry` finds these modules; adding a source changes no file outside its folder. Never evaluates controls.
"""
