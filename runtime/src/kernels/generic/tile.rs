//! The innermost loop of matrix products: a tile of sums that stays in registers.

use super::{Products, Value};

/// Sums of `ROWS` rows of activations, `stride` groups apart, times a panel of `VECTORS` vectors of channels, from
/// `start` on. For 1, 2, 4 and 6 rows.
#[inline(always)]
pub fn tile<T: Value, P: Products<T>, const ROWS: usize, const VECTORS: usize>(
    products: P,
    activations: &[P::Group],
    stride: usize,
    panel: &[[P::Weights; VECTORS]],
    start: [P::Vector; VECTORS],
) -> [[P::Vector; VECTORS]; ROWS] {
    let mut sums = [start; ROWS];
    let row = |index: usize| activations.get(index * stride..).unwrap_or(&[]);
    // Zipped slices are walked without a check per element.
    macro_rules! walk {
        ($zip:pat, $rows:expr, $($row:ident)*) => {
            for ($zip, weights) in $rows.zip(panel) {
                let mut vectors = start;
                for (vector, weights) in vectors.iter_mut().zip(weights) {
                    *vector = products.weights(weights);
                }
                let groups = [$($row),*];
                for (sums, group) in sums.iter_mut().zip(groups) {
                    let group = products.splat(group);
                    for (sum, vector) in sums.iter_mut().zip(vectors) {
                        *sum = products.multiply_add(*sum, group, vector);
                    }
                }
            }
        };
    }
    match ROWS {
        1 => walk!(a, row(0).iter(), a),
        2 => walk!((a, b), row(0).iter().zip(row(1)), a b),
        4 => walk!((((a, b), c), d), row(0).iter().zip(row(1)).zip(row(2)).zip(row(3)), a b c d),
        _ => walk!(
            (((((a, b), c), d), e), f),
            row(0).iter().zip(row(1)).zip(row(2)).zip(row(3)).zip(row(4)).zip(row(5)),
            a b c d e f
        ),
    }
    sums
}
