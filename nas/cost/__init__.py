"""What a network costs, exactly: parameters, multiply-accumulates, FLOPs, activations and receptive field.

`count` adds up the parts of an architecture, `tracing` counts one part on real tensors, `table` keeps what was counted.
"""
