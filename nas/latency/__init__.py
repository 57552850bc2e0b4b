"""Latency: how long one pass of a network takes on a device, with an interval, and under which conditions.

    options   what can be asked for, checked before anything is built
    device    which device that means here
    fold      batch norm into convolutions, as a deployed network has it
    reference the fixed network that is timed alternately with every candidate
    timing    how one call is timed, on the host's clock or the device's
    launches  whether a network waits for the host that launches its kernels
    sampling  warm up until the level is stable, then sample until the median is known well enough
    contamination  whether the machine stayed as it was meanwhile, and another try where it did not
    statistics, stopping   the arithmetic of that, without a clock
    quiet     threads and garbage collection while timing
    environment, processor, gpu   what the machine is, and what it was doing
    faults    what went wrong, as an outcome of the report
    measure   all of it, in order

And how long one takes that was never measured:

    training  what was measured under the same conditions
    features  what a network is, in numbers that its time may depend on
    kernel, prediction   a model of these, and what it says of others and of single blocks
"""
