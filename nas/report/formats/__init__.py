"""One file a format; each has its `FORMAT`, which `nas.report.render` finds."""
