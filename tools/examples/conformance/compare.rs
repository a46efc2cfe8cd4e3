//! Whether a result is the standard's.

use bantam_tools::reference::pb::{TensorProto, tensor_proto::DataType as ProtoType};
use bantam_tools::tensor::{Data, Tensor};

/// What is added to every tolerance: the standard's results are computed in other precisions and orders than f32 sums.
const ABSOLUTE: f32 = 1e-5;

/// Compares a result with the expected one, whose type in the file is that of `proto`.
///
/// # Errors
/// What differs, in words.
pub fn compare(got: &Tensor, expected: &Tensor, proto: &TensorProto, rtol: f32, atol: f32) -> Result<(), String> {
    if got.shape() != expected.shape() || got.data_type() != expected.data_type() {
        return Err(format!(
            "got {} {:?}, expected {} {:?}",
            got.data_type(),
            got.shape(),
            expected.data_type(),
            expected.shape()
        ));
    }
    let (Data::F32(got_items), Data::F32(expected_items)) = (got.data(), expected.data()) else {
        return if got == expected { Ok(()) } else { Err(difference(got, expected)) };
    };
    // Half-precision tensors are computed in f32; the standard rounds them to two units in the last place or better.
    let rtol = rtol.max(match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Float16) => 2.0 / 1024.0,
        Ok(ProtoType::Bfloat16) => 2.0 / 128.0,
        _ => 0.0,
    });
    let atol = atol.max(ABSOLUTE);
    let close = |got: f32, expected: f32| {
        got == expected
            || (got.is_nan() && expected.is_nan())
            || (expected.is_finite() && (got - expected).abs() <= atol + rtol * expected.abs())
    };
    match got_items.iter().zip(expected_items).position(|(&got, &expected)| !close(got, expected)) {
        None => Ok(()),
        Some(index) => Err(format!(
            "element {index} of {:?} is {}, expected {}",
            got.shape(),
            got_items[index],
            expected_items[index]
        )),
    }
}

fn difference(got: &Tensor, expected: &Tensor) -> String {
    let (got_items, expected_items) = (got.to_i64(), expected.to_i64());
    match got_items.iter().zip(&expected_items).position(|(got, expected)| got != expected) {
        Some(index) => {
            format!("element {index} of {:?} is {}, expected {}", got.shape(), got_items[index], expected_items[index])
        }
        None => "the results differ".to_owned(),
    }
}
