"""CHANGE: the smallest edits of a text that give its values other values. Opens and writes no files, judges nothing."""
