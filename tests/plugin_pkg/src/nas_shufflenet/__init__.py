"""A plugin package for `nas`: the block `shuffle` and the metric `weights_mb`."""
