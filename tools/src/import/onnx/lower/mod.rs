//! One lowering per ONNX operator, in files by family. [`OPERATORS`] is the whole list.

mod activation;
mod convolution;
mod einsum;
mod elementwise;
mod linear;
mod logic;
mod normalization;
mod part;
mod pick;
mod pooling;
mod quantization;
mod quantized;
mod reduce;
mod resize;
mod shape;
mod types;
mod volume;
mod window;

use super::importer::is_default_domain;
use super::lowering::Function;

/// The operators of the default domain that can be imported, sorted by name.
const OPERATORS: &[(&str, Function)] = &[
    ("Abs", elementwise::unary),
    ("Acos", elementwise::unary),
    ("Acosh", elementwise::unary),
    ("Add", elementwise::binary),
    ("And", logic::logic),
    ("ArgMax", reduce::arg_best),
    ("ArgMin", reduce::arg_best),
    ("Asin", elementwise::unary),
    ("Asinh", elementwise::unary),
    ("Atan", elementwise::unary),
    ("Atanh", elementwise::unary),
    ("AveragePool", pooling::average),
    ("BatchNormalization", normalization::batch),
    ("Cast", types::cast),
    ("CastLike", types::cast_like),
    ("Ceil", elementwise::unary),
    ("Celu", activation::celu),
    ("Clip", elementwise::clip),
    ("Compress", pick::compress),
    ("Concat", shape::concat),
    ("Constant", shape::constant),
    ("ConstantOfShape", part::constant_of_shape),
    ("Conv", convolution::convolution),
    ("ConvInteger", quantized::convolve_integers),
    ("ConvTranspose", convolution::transposed),
    ("Cos", elementwise::unary),
    ("Cosh", elementwise::unary),
    ("CumSum", reduce::cumulative_sum),
    ("DepthToSpace", pick::depth_to_space),
    ("DequantizeLinear", quantization::dequantize),
    ("Div", elementwise::binary),
    ("Dropout", shape::dropout),
    ("DynamicQuantizeLinear", quantized::quantize_dynamically),
    ("Einsum", einsum::einsum),
    ("Elu", elementwise::unary),
    ("Equal", logic::compare),
    ("Erf", elementwise::unary),
    ("Exp", elementwise::unary),
    ("Expand", part::expand),
    ("EyeLike", part::eye_like),
    ("Flatten", shape::flatten),
    ("Floor", elementwise::unary),
    ("Gather", pick::gather),
    ("GatherElements", pick::gather_elements),
    ("GatherND", pick::gather_nd),
    ("Gelu", elementwise::unary),
    ("Gemm", linear::gemm),
    ("GlobalAveragePool", reduce::global_average),
    ("GlobalLpPool", pooling::global_lp),
    ("GlobalMaxPool", reduce::global_max),
    ("Greater", logic::compare),
    ("GreaterOrEqual", logic::compare),
    ("GroupNormalization", normalization::group),
    ("HardSigmoid", elementwise::unary),
    ("HardSwish", elementwise::unary),
    ("Hardmax", activation::hardmax),
    ("Identity", shape::identity),
    ("InstanceNormalization", normalization::instance),
    ("IsInf", logic::is_infinite),
    ("IsNaN", logic::is_nan),
    ("LRN", normalization::local_response),
    ("LayerNormalization", normalization::layer),
    ("LeakyRelu", elementwise::unary),
    ("Less", logic::compare),
    ("LessOrEqual", logic::compare),
    ("Log", elementwise::unary),
    ("LogSoftmax", reduce::log_softmax),
    ("LpNormalization", normalization::lp),
    ("LpPool", pooling::lp),
    ("MatMul", linear::matmul),
    ("MatMulInteger", quantized::multiply_integers),
    ("Max", elementwise::variadic),
    ("MaxPool", pooling::maximum),
    ("Mean", elementwise::variadic),
    ("MeanVarianceNormalization", normalization::mean_variance),
    ("Min", elementwise::variadic),
    ("Mish", elementwise::unary),
    ("Mod", elementwise::binary),
    ("Mul", elementwise::binary),
    ("Neg", elementwise::unary),
    ("Not", logic::not),
    ("OneHot", logic::one_hot),
    ("Or", logic::logic),
    ("PRelu", activation::parametric_relu),
    ("Pad", part::pad),
    ("Pow", elementwise::power),
    ("QLinearConv", quantized::convolve),
    ("QLinearMatMul", quantized::multiply_matrices),
    ("QuantizeLinear", quantization::quantize),
    ("RMSNormalization", normalization::root_mean_square),
    ("Range", part::range),
    ("Reciprocal", elementwise::unary),
    ("ReduceL1", reduce::reduce),
    ("ReduceL2", reduce::reduce),
    ("ReduceLogSum", reduce::reduce),
    ("ReduceLogSumExp", reduce::reduce),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce),
    ("ReduceMin", reduce::reduce),
    ("ReduceProd", reduce::reduce),
    ("ReduceSum", reduce::reduce),
    ("ReduceSumSquare", reduce::reduce),
    ("Relu", activation::relu),
    ("Reshape", shape::reshape),
    ("Resize", resize::resize),
    ("Round", elementwise::unary),
    ("Scatter", pick::scatter_elements),
    ("ScatterElements", pick::scatter_elements),
    ("ScatterND", pick::scatter_nd),
    ("Selu", activation::selu),
    ("Shape", shape::shape),
    ("Shrink", activation::shrink),
    ("Sigmoid", elementwise::unary),
    ("Sign", elementwise::unary),
    ("Sin", elementwise::unary),
    ("Sinh", elementwise::unary),
    ("Size", shape::size),
    ("Slice", part::slice),
    ("Softmax", reduce::softmax),
    ("Softplus", elementwise::unary),
    ("Softsign", elementwise::unary),
    ("SpaceToDepth", pick::space_to_depth),
    ("Split", part::split),
    ("Sqrt", elementwise::unary),
    ("Squeeze", shape::squeeze),
    ("Sub", elementwise::binary),
    ("Sum", elementwise::variadic),
    ("Swish", activation::swish),
    ("Tan", elementwise::unary),
    ("Tanh", elementwise::unary),
    ("ThresholdedRelu", activation::thresholded_relu),
    ("Tile", part::tile),
    ("TopK", reduce::top),
    ("Transpose", shape::transpose),
    ("Trilu", part::triangle),
    ("Unsqueeze", shape::unsqueeze),
    ("Upsample", resize::upsample),
    ("Where", logic::choose),
    ("Xor", logic::logic),
];

/// The domain in which ONNX Runtime's quantiser writes operators that the standard lacks.
const MICROSOFT: &str = "com.microsoft";

/// The operators of [`MICROSOFT`] that can be imported, sorted by name.
const MICROSOFT_OPERATORS: &[(&str, Function)] = &[
    ("DequantizeLinear", quantization::dequantize),
    ("QGemm", quantized::gemm),
    ("QLinearAdd", quantized::binary),
    ("QLinearAveragePool", quantized::average),
    ("QLinearConcat", quantized::concat),
    ("QLinearConv", quantized::convolve),
    ("QLinearGlobalAveragePool", quantized::global_average),
    ("QLinearLeakyRelu", quantized::unary),
    ("QLinearMul", quantized::binary),
    ("QLinearSigmoid", quantized::unary),
    ("QLinearSoftmax", quantized::softmax),
    ("QuantizeLinear", quantization::quantize),
];

/// The lowering of an operator.
pub(super) fn find(domain: &str, operator: &str) -> Option<Function> {
    let table = match domain {
        MICROSOFT => MICROSOFT_OPERATORS,
        domain if is_default_domain(domain) => OPERATORS,
        _ => return None,
    };
    let position = table.binary_search_by(|(name, _)| (*name).cmp(operator)).ok()?;
    Some(table[position].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_each_operator_is_found() {
        for (domain, table) in [("", OPERATORS), ("ai.onnx", OPERATORS), (MICROSOFT, MICROSOFT_OPERATORS)] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(table.iter().all(|(name, _)| find(domain, name).is_some()));
        }
        assert!(find("", "Loop").is_none() && find("", "QGemm").is_none() && find("other", "Add").is_none());
    }
}
