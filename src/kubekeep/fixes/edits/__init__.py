r"""Smallest edits of a YAML or JSON text that set or remove values. Opens and writes no files, evaluates no control.

Rules:

1. Every edit is proven: the edited text is parsed, and its values must equal the old values with the changes applied,
   in all documents. Changes without a proof are refused; halving the set isolates them (`text`).
2. Only the characters of changed values are replaced, and splices never overlap. Comments stay, except those directly
   above a removed row with the same indentation, which belong to it (`lines`).
3. A refused change changes nothing and has a reason. The other changes are made.
4. Changes of one document are one tree. Of two changes at one path with different values, or one below another, the
   later is refused (`change`).
5. A value that an anchor shares is edited in place only if all its users change in the same way. Otherwise an alias
   gets its own value or a merge key (`<<`), and a change of the anchored value alone is refused (`editor`).
6. New text has the style of its document: line breaks, indentation, dashes, lists in brackets (`style`).
7. A value is edited where it is written: in the file, base, patch or values file that set it. If a template computes
   it, or the file has changed since the scan, there is no place to edit (`target`).

Example: set `spec.containers[0].securityContext.privileged` to false, and `spec.containers[0].image.x` to "y", in

    spec:
      containers:
      - name: web  # shop
        image: web:1

    tree       containers[0]: securityContext.privileged = false, image.x = "y"
    editor     image is a scalar: the second change is refused, "its parent is not a mapping"
    lines      securityContext is new: one splice after the last row of the mapping,
               "\n    securityContext:\n      privileged: false" at 58
    text       the result has the old values and securityContext: proven

With `a: &c {x: 1}` in block style and `b: *c`: to set `a.x` is refused, to set both `a.x` and `b.x` edits the anchored
value, and to set `b.x` replaces `*c` by a mapping with `<<: *c` and `x`.
"""
