"""Which operators TensorRT's ONNX parser knows, and since when: looked up before a long build.

Source: docs/operators.md and docs/Changelog.md of onnx/onnx-tensorrt at TensorRT 10.15. A name that
is here need not be parsed in every form: Attention, say, wants Q, K and V of rank 4.
"""

import re
from pathlib import Path

from encoder.errors import RuntimeMissingError
from encoder.tensorrt.graph_operators import read_operators
from encoder.tensorrt.installed import INSTALL

OLDEST = (10, 0)  # TensorRT before it has another interface

# Operators that came later, and with which version
SINCE = {
    "DeformConv": (10, 1),
    "BlackmanWindow": (10, 4),
    "HammingWindow": (10, 4),
    "HannWindow": (10, 4),
    "STFT": (10, 5),
    "Attention": (10, 14),
    "RMSNormalization": (10, 15),
    "RotaryEmbedding": (10, 15),
    "TensorScatter": (10, 15),
}

_SINCE_10_0 = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    Cast CastLike Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh
    CumSum DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike
    Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
    GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization GRU HardSigmoid HardSwish
    Hardmax Identity If ImageScaler InstanceNormalization IsInf IsNaN LayerNormalization
    LeakyRelu Less LessOrEqual Log LogSoftmax Loop LRN LSTM LpNormalization LpPool MatMul Max
    MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression NonZero Not
    OneHot Or Pad ParametricSoftplus Pow PRelu QuantizeLinear RandomNormal RandomNormalLike
    RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Resize ReverseSequence RNN RoiAlign Round ScaledTanh Scan Scatter ScatterElements
    ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
    Unsqueeze Upsample Where Xor
"""

KNOWN = frozenset(SINCE) | frozenset(_SINCE_10_0.split())


def require_operators(graph: Path, version: str) -> None:
    """Raises RuntimeMissingError unless TensorRT of this version can parse the graph's operators.

    Raises ModelError if the file is no ONNX graph.
    """
    used = read_operators(graph)
    if foreign := sorted(used - KNOWN):
        raise RuntimeMissingError(
            f"TensorRT does not know {', '.join(foreign)}, which {graph.name} uses: convert the"
            " bundle again, its graph for TensorRT must do without"
        )
    here = _numbers(version)
    newest, name = max(((SINCE.get(name, OLDEST), name) for name in used), default=(OLDEST, ""))
    if here < newest:
        wanted = ".".join(map(str, newest))
        raise RuntimeMissingError(
            f"TensorRT {version} is too old for {graph.name}: {name or 'everything'} came with"
            f" {wanted}: {INSTALL} --upgrade"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
