//! One lowering per ONNX operator, in files by family. [`OPERATORS`] is the whole list.

mod convolution;
mod elementwise;
mod linear;
mod normalization;
mod pooling;
mod reduce;
mod shape;
mod window;

use super::lowering::Function;

/// The operators of the default domain that can be imported, sorted by name.
const OPERATORS: &[(&str, Function)] = &[
    ("Abs", elementwise::unary),
    ("Add", elementwise::binary),
    ("ArgMax", reduce::arg_max),
    ("AveragePool", pooling::average),
    ("BatchNormalization", normalization::batch),
    ("Cast", elementwise::cast),
    ("Ceil", elementwise::unary),
    ("Clip", elementwise::clip),
    ("Concat", shape::concat),
    ("Constant", shape::constant),
    ("Conv", convolution::convolution),
    ("Div", elementwise::binary),
    ("Dropout", shape::dropout),
    ("Elu", elementwise::unary),
    ("Erf", elementwise::unary),
    ("Exp", elementwise::unary),
    ("Flatten", shape::flatten),
    ("Floor", elementwise::unary),
    ("Gather", shape::gather),
    ("Gelu", elementwise::unary),
    ("Gemm", linear::gemm),
    ("GlobalAveragePool", reduce::global_average),
    ("GlobalMaxPool", reduce::global_max),
    ("HardSigmoid", elementwise::unary),
    ("HardSwish", elementwise::unary),
    ("Identity", shape::identity),
    ("LeakyRelu", elementwise::unary),
    ("Log", elementwise::unary),
    ("LogSoftmax", reduce::log_softmax),
    ("MatMul", linear::matmul),
    ("Max", elementwise::variadic),
    ("MaxPool", pooling::maximum),
    ("Min", elementwise::variadic),
    ("Mish", elementwise::unary),
    ("Mul", elementwise::binary),
    ("Neg", elementwise::unary),
    ("PRelu", elementwise::parametric_relu),
    ("Pad", shape::pad),
    ("Pow", elementwise::power),
    ("Reciprocal", elementwise::unary),
    ("ReduceMax", reduce::reduce),
    ("ReduceMean", reduce::reduce),
    ("ReduceMin", reduce::reduce),
    ("ReduceSum", reduce::reduce),
    ("Relu", elementwise::relu),
    ("Reshape", shape::reshape),
    ("Round", elementwise::unary),
    ("Shape", shape::shape),
    ("Sigmoid", elementwise::unary),
    ("Slice", shape::slice),
    ("Softmax", reduce::softmax),
    ("Softplus", elementwise::unary),
    ("Softsign", elementwise::unary),
    ("Sqrt", elementwise::unary),
    ("Squeeze", shape::squeeze),
    ("Sub", elementwise::binary),
    ("Sum", elementwise::variadic),
    ("Tanh", elementwise::unary),
    ("Transpose", shape::transpose),
    ("Unsqueeze", shape::unsqueeze),
];

/// The lowering of an operator of the default domain.
pub(super) fn find(operator: &str) -> Option<Function> {
    let position = OPERATORS.binary_search_by(|(name, _)| (*name).cmp(operator)).ok()?;
    Some(OPERATORS[position].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_operator_is_found() {
        assert!(OPERATORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(OPERATORS.iter().all(|(name, _)| find(name).is_some()));
        assert!(find("Loop").is_none());
    }
}
