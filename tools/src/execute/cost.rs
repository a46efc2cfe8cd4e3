//! What evaluating an operator takes.

use super::facts;
use crate::graph::Op;
use crate::graph::ops::Facts;
use crate::tensor::Tensor;

/// Results up to this many elements may be larger than their operands and still be folded.
const SMALL_RESULT: usize = 1 << 16;
/// Multiplications up to which an operator over constants is folded.
const FOLDABLE_PRODUCTS: u64 = 1 << 26;

/// Multiply-accumulates of one evaluation; zero for operators that are not sums of products.
/// Padded positions count: the number depends on shapes only.
#[must_use]
pub fn multiply_accumulates(op: &Op, operands: &[Facts], result: &Facts) -> u64 {
    let product = |shape: &[usize]| shape.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64));
    let results = product(&result.shape);
    match (op, operands) {
        (Op::Conv2d(_), [_, weights, ..]) => {
            results.saturating_mul(product(weights.shape.get(1..).unwrap_or_default()))
        }
        (Op::ConvTranspose2d(_), [activation, weights, ..]) => {
            // Every input position takes every tap of its group.
            let taps = product(weights.shape.get(..3).unwrap_or_default());
            let depth = weights.shape.last().map_or(1, |&depth| depth as u64);
            let positions = product(activation.shape.get(..3).unwrap_or_default());
            positions.saturating_mul(taps).saturating_mul(depth)
        }
        (Op::FullyConnected(_) | Op::MatMul, [activation, ..]) => {
            results.saturating_mul(activation.shape.last().map_or(1, |&depth| depth as u64))
        }
        _ => 0,
    }
}

/// Whether evaluating an operator over constants takes little time and memory compared with the
/// constants themselves. Reading quantised constants is not: it would take four times their memory, and lose the
/// integers that the artifact is to hold.
#[must_use]
pub fn is_cheap(op: &Op, operands: &[&Tensor]) -> bool {
    if matches!(op, Op::Dequantize(_)) {
        return false;
    }
    let shapes: Vec<Facts> = operands.iter().map(|operand| facts(operand)).collect();
    let Ok(results) = op.infer(&shapes) else { return false };
    let given: usize = operands.iter().map(|operand| operand.len()).sum();
    let windows: u64 = match op {
        Op::MaxPool2d(pool) => (pool.kernel[0] as u64).saturating_mul(pool.kernel[1] as u64),
        Op::AveragePool2d(average) => (average.pool.kernel[0] as u64).saturating_mul(average.pool.kernel[1] as u64),
        _ => 1,
    };
    results.iter().all(|result| {
        let count: usize = result.shape.iter().product();
        count <= given.max(SMALL_RESULT)
            && multiply_accumulates(op, &shapes, result) <= FOLDABLE_PRODUCTS
            && windows.saturating_mul(count as u64) <= FOLDABLE_PRODUCTS
    })
}
