"""The built-in runtimes, each registered by entry point exactly as a stranger's is."""
