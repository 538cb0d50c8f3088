"""IN: where objects come from. Each module turns one kind of source into `Resource` values; none of them assesses."""
