//! Models of one op.

use crate::build::{ModelBuilder, data_type};
use crate::quantization::Quantization;
use crate::run::{Values, run_file};
use bantam_format::{Arithmetic, DataType};

/// Runs a model of one op whose tensors are disjoint. `add` adds the op, given its inputs and its output.
pub fn single(
    arithmetic: Arithmetic,
    inputs: &[(&[u32], Values)],
    output: (&[u32], DataType),
    add: impl FnOnce(&mut ModelBuilder, &[u16], u16),
) -> Values {
    let mut builder = ModelBuilder::new(arithmetic);
    let tensors: Vec<u16> =
        inputs.iter().map(|(dimensions, values)| builder.tensor(data_type(values), dimensions)).collect();
    let y = builder.tensor(output.1, output.0);
    for &tensor in &tensors {
        builder.input(tensor);
    }
    builder.output(y);
    add(&mut builder, &tensors, y);
    let values: Vec<Values> = inputs.iter().map(|(_, values)| values.clone()).collect();
    run_file(builder.build().bytes(), &values).remove(0)
}

/// Checks that 8-bit results lie within `bound` steps of the real ones, both within the clamp.
///
/// # Panics
/// One does not.
pub fn assert_close(
    got: &[i8],
    real: &[f32],
    output: Quantization,
    clamp: [i8; 2],
    bound: f64,
    context: &dyn std::fmt::Debug,
) {
    assert_eq!(got.len(), real.len());
    for (index, (&got, &real)) in got.iter().zip(real).enumerate() {
        let position = output.position(real, clamp);
        let error = (f64::from(got) - position).abs();
        assert!(error <= bound, "output {index}: {got} is {error} steps from {position}, allowed {bound}; {context:?}");
    }
}
