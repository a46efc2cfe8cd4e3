//! Lowerings: what each operator of TensorFlow Lite is in the graph.

mod convolution;
mod elementwise;
mod linear;
mod movement;
mod reduce;
mod resize;
mod svdf;
mod variable;

use super::lowering::Function;

/// Every supported operator, by name.
const OPERATORS: &[(&str, Function)] = &[
    ("ABS", elementwise::unary),
    ("ADD", elementwise::binary),
    ("ADD_N", elementwise::add_n),
    ("ARG_MAX", reduce::arg_max),
    ("ARG_MIN", reduce::arg_max),
    ("ASSIGN_VARIABLE", variable::assign),
    ("AVERAGE_POOL_2D", convolution::pool_2d),
    ("BATCH_MATMUL", linear::batch_matmul),
    ("BATCH_TO_SPACE_ND", movement::batches),
    ("BROADCAST_TO", movement::repeat),
    ("CALL_ONCE", variable::call_once),
    ("CAST", elementwise::cast),
    ("CEIL", elementwise::unary),
    ("CONCATENATION", movement::concatenation),
    ("CONV_2D", convolution::conv_2d),
    ("COS", elementwise::unary),
    ("DEPTHWISE_CONV_2D", convolution::depthwise_conv_2d),
    ("DEPTH_TO_SPACE", movement::blocks),
    ("DEQUANTIZE", elementwise::convert),
    ("DIV", elementwise::binary),
    ("ELU", elementwise::unary),
    ("EQUAL", elementwise::compare),
    ("EXP", elementwise::unary),
    ("EXPAND_DIMS", movement::reshape),
    ("FILL", elementwise::fill),
    ("FLOOR", elementwise::unary),
    ("FULLY_CONNECTED", linear::fully_connected),
    ("GATHER", movement::gather),
    ("GELU", elementwise::unary),
    ("GREATER", elementwise::compare),
    ("GREATER_EQUAL", elementwise::compare),
    ("HARD_SWISH", elementwise::unary),
    ("L2_NORMALIZATION", reduce::l2_normalization),
    ("LEAKY_RELU", elementwise::unary),
    ("LESS", elementwise::compare),
    ("LESS_EQUAL", elementwise::compare),
    ("LOG", elementwise::unary),
    ("LOGICAL_AND", elementwise::logic),
    ("LOGICAL_NOT", elementwise::not),
    ("LOGICAL_OR", elementwise::logic),
    ("LOGISTIC", elementwise::unary),
    ("LOG_SOFTMAX", reduce::log_softmax),
    ("MAXIMUM", elementwise::binary),
    ("MAX_POOL_2D", convolution::pool_2d),
    ("MEAN", reduce::reduce),
    ("MINIMUM", elementwise::binary),
    ("MIRROR_PAD", movement::mirror_pad),
    ("MUL", elementwise::binary),
    ("NEG", elementwise::unary),
    ("NOT_EQUAL", elementwise::compare),
    ("PACK", movement::pack),
    ("PAD", movement::pad),
    ("PADV2", movement::pad),
    ("POW", elementwise::binary),
    ("PRELU", elementwise::binary),
    ("QUANTIZE", elementwise::convert),
    ("READ_VARIABLE", variable::read),
    ("REDUCE_ALL", reduce::reduce),
    ("REDUCE_ANY", reduce::reduce),
    ("REDUCE_MAX", reduce::reduce),
    ("REDUCE_MIN", reduce::reduce),
    ("REDUCE_PROD", reduce::reduce),
    ("RELU", elementwise::clip),
    ("RELU6", elementwise::clip),
    ("RELU_0_TO_1", elementwise::clip),
    ("RELU_N1_TO_1", elementwise::clip),
    ("RESHAPE", movement::reshape),
    ("RESIZE_BILINEAR", resize::bilinear),
    ("RESIZE_NEAREST_NEIGHBOR", resize::nearest),
    ("REVERSE_V2", movement::reverse),
    ("ROUND", elementwise::unary),
    ("RSQRT", elementwise::unary),
    ("SELECT", elementwise::select),
    ("SELECT_V2", elementwise::select),
    ("SHAPE", elementwise::shape),
    ("SIGN", elementwise::unary),
    ("SIN", elementwise::unary),
    ("SLICE", movement::slice),
    ("SOFTMAX", reduce::softmax),
    ("SPACE_TO_BATCH_ND", movement::batches),
    ("SPACE_TO_DEPTH", movement::blocks),
    ("SPLIT", movement::split),
    ("SPLIT_V", movement::split_v),
    ("SQRT", elementwise::unary),
    ("SQUARE", elementwise::square),
    ("SQUARED_DIFFERENCE", elementwise::binary),
    ("SQUEEZE", movement::reshape),
    ("STRIDED_SLICE", movement::strided_slice),
    ("SUB", elementwise::binary),
    ("SUM", reduce::reduce),
    ("SVDF", svdf::svdf),
    ("TANH", elementwise::unary),
    ("TILE", movement::repeat),
    ("TRANSPOSE", movement::transpose),
    ("TRANSPOSE_CONV", convolution::transpose_conv),
    ("UNPACK", movement::unpack),
    ("VAR_HANDLE", variable::handle),
    ("ZEROS_LIKE", elementwise::zeros_like),
];

/// The lowering of an operator.
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
        assert!(find("CUSTOM").is_none());
    }
}
