"""The sampler that knows what is free: exact costs of every network, and a model of what is not."""
