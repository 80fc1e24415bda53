"""The command line: one module per command; `render` shows what came of it."""
