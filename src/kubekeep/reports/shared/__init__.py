"""Text, layout and data helpers that several report formats use. No module here is a format."""
