"""The built-in blocks, each registered by entry point exactly as a stranger's is."""
