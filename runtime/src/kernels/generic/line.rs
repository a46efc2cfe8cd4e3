//! The innermost loop of products of a matrix and a vector: layers that are fully connected.

use super::loops::{Layout, Of, Panel, VECTORS, put};
use super::{Finish, Products};

/// Panels that a single row is multiplied by at once: sums of fewer would wait for each other.
pub const LINE: usize = 4;

/// Whether so many rows, to which so many bytes of outputs are left, are multiplied by [`LINE`] panels at once.
#[inline(always)]
pub fn is_line(layout: &Layout, rows: usize, bytes: usize) -> bool {
    layout.small_tiles && rows == 1 && bytes >= LINE * VECTORS * layout.lanes * layout.value
}

impl<T, P: Products<T>> Of<T, P> {
    /// Multiplies a row by [`LINE`] panels.
    #[inline(always)]
    pub(super) fn line(&self, panel: &Panel<'_>, finish: &Finish, output: &mut [u8]) -> Option<()> {
        let (products, block) = (self.0, VECTORS * P::LANES);
        let starts = P::vectors(panel.starts).as_chunks::<VECTORS>().0.first_chunk::<LINE>()?;
        let weights = P::vectors(panel.weights).as_chunks::<VECTORS>().0;
        let mut rest =
            [weights, weights.get(panel.depth..)?, weights.get(2 * panel.depth..)?, weights.get(3 * panel.depth..)?];
        let [[mut a, mut b], [mut c, mut d], [mut e, mut f], [mut g, mut h]] =
            starts.map(|[first, second]| [products.load(&first), products.load(&second)]);
        let [length, apart] = panel.windows.runs;
        let (mut from, mut left) = (0, panel.depth);
        while left > 0 {
            let row = panel.activations.get(from..)?.as_chunks::<4>().0.get(..length)?;
            let [first, second, third, fourth] = rest;
            let (first, after_first) = first.split_at_checked(length)?;
            let (second, after_second) = second.split_at_checked(length)?;
            let (third, after_third) = third.split_at_checked(length)?;
            let (fourth, after_fourth) = fourth.split_at_checked(length)?;
            let mut step = 0;
            while step < length {
                let group = products.splat(u32::from_ne_bytes(*row.get(step)?));
                macro_rules! add {
                    ($panel:ident: $low:ident $high:ident) => {
                        let [low, high] = $panel.get(step)?;
                        $low = products.multiply_add($low, group, products.load(low));
                        $high = products.multiply_add($high, group, products.load(high));
                    };
                }
                add!(first: a b);
                add!(second: c d);
                add!(third: e f);
                add!(fourth: g h);
                step += 1;
            }
            rest = [after_first, after_second, after_third, after_fourth];
            from += apart;
            left = left.saturating_sub(length.max(1));
        }
        let mut tables = panel.tables.chunks_exact(P::LANES * P::TABLE.max(1));
        let outputs = output.chunks_exact_mut(block * P::VALUE);
        for (sums, output) in [[a, b], [c, d], [e, f], [g, h]].into_iter().zip(outputs) {
            let tables = if P::TABLE == 0 { [&[][..]; 2] } else { [tables.next()?, tables.next()?] };
            put(&products.finish_pair(sums, finish, tables), output.len(), output);
        }
        Some(())
    }
}
