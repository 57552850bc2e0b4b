"""The built-in metrics, each registered by entry point exactly as a stranger's is."""
