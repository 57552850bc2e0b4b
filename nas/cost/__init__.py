"""What a network costs, exactly: parameters, multiply-accumulates, FLOPs, activations and receptive field.

`count` adds up the blocks of an architecture, `module` counts one block or any other `nn.Module`. A module is counted
by `counter`, which answers known functions on the meta device by `rules`, and by `trace` (fvcore and torch's
FlopCounterMode on real tensors) where it meets one that it does not know for sure. `table` keeps what was counted.
"""
