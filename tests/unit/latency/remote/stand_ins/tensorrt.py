"""A stand-in for TensorRT 10: the parts of its interface that the worker calls, computed by ONNX Runtime in host memory."""

from __future__ import annotations

import ctypes
import enum

import numpy
import onnxruntime

__version__ = "10.3.0"


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.Enum):
    TF32 = 7


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = "tensor(float)"
    HALF = "tensor(float16)"
    INT64 = "tensor(int64)"


class Logger:
    ERROR = 1

    def __init__(self, severity):
        assert severity == Logger.ERROR


class Network:
    graph = b""


class OnnxParser:
    num_errors = 1

    def __init__(self, network, _logger):
        self.network = network

    def parse(self, graph):
        self.network.graph = graph
        return graph != b"no graph"

    def get_error(self, index):
        class Error:
            def desc(self):
                return f"complaint {index}"

        return Error()


class Config:
    def __init__(self):
        self.flags = {BuilderFlag.TF32}

    def set_flag(self, flag):
        self.flags.add(flag)

    def clear_flag(self, flag):
        self.flags.remove(flag)


class Builder:
    def __init__(self, logger):
        pass

    def create_network(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, _config):
        return network.graph


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, plan):
        return Engine(onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"]))


class Engine:
    def __init__(self, session):
        self.session = session
        self.tensors = [*session.get_inputs(), *session.get_outputs()]
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index):
        return self.tensors[index].name

    def _named(self, name):
        return next(tensor for tensor in self.tensors if tensor.name == name)

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == self.tensors[0].name else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return tuple(self._named(name).shape)

    def get_tensor_dtype(self, name):
        return DataType(self._named(name).type)

    def create_execution_context(self):
        return Context(self)


class Context:
    def __init__(self, engine):
        self.engine = engine
        self.addresses = {}
        self.kernel = ctypes.CFUNCTYPE(None)(self.compute)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def compute(self):
        names = [output.name for output in self.engine.session.get_outputs()]
        given = self.engine.tensors[0]
        kind = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}[given.type]
        x = numpy.empty(given.shape, kind)
        ctypes.memmove(x.ctypes.data, self.addresses[given.name], x.nbytes)
        for name, answer in zip(names, self.engine.session.run(names, {given.name: x}), strict=True):
            rows = numpy.ascontiguousarray(answer)
            ctypes.memmove(self.addresses[name], rows.ctypes.data, rows.nbytes)

    def execute_async_v3(self, stream):
        assert stream
        ctypes.CDLL("libcuda.so.1").stand_in_launch(self.kernel)
        return True
