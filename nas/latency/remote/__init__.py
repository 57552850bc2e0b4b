"""Latency on another machine, `device = "ssh:HOST"` or "ssh:HOST/cuda:0": a Jetson, a Raspberry Pi, a server.

    host      which words may name a host, and the command that reaches it
    worker    ONE file, Python >= 3.9 with torch, onnxruntime or TensorRT and nothing else: it is sent through the pipe
              and times there
    link      this side of the pipe: deadlines, what its end means
    there     what `nas.latency.measure` asks of a machine, asked of that one

The candidate is exported here and travels as an ONNX graph, or as Python source over torch's own operators. What is
decided, is decided here: the worker only samples, by the rules that it is told.
"""
