//! How much each source position counts in a target position along one axis: exact integers.

use bantam_format::ImageFilter;
use core::ops::Range;

/// One axis: `from` source positions become `to` target positions. Both are at most 8192 and at least 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    filter: ImageFilter,
    from: u32,
    to: u32,
}

impl Axis {
    pub fn new(filter: ImageFilter, from: u32, to: u32) -> Self {
        Self { filter, from: from.max(1), to: to.max(1) }
    }

    /// The source positions that count in target position `target`.
    pub fn taps(self, target: u32) -> Range<u32> {
        let (from, to) = (self.from, self.to);
        let (first, end) = match self.filter {
            ImageFilter::Area => (target * from / to, ((target + 1) * from).div_ceil(to)),
            // |(2 k + 1) to - (2 target + 1) from| < 2 max(from, to)
            _ => {
                let (center, reach) = ((2 * target + 1) * from, 2 * from.max(to));
                ((center.saturating_sub(reach) / to) / 2, (center + reach).div_ceil(to).div_ceil(2))
            }
        };
        first.min(from - 1)..end.min(from)
    }

    /// The weight of source position `source` in target position `target`.
    pub fn weight(self, target: u32, source: u32) -> u64 {
        let (from, to) = (self.from, self.to);
        u64::from(match self.filter {
            ImageFilter::Area => {
                let start = (source * to).max(target * from);
                ((source + 1) * to).min((target + 1) * from).saturating_sub(start)
            }
            _ => (2 * from.max(to)).saturating_sub(((2 * source + 1) * to).abs_diff((2 * target + 1) * from)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn weights(filter: ImageFilter, from: u32, to: u32, target: u32) -> Vec<u64> {
        let axis = Axis::new(filter, from, to);
        (0..from).map(|source| axis.weight(target, source)).collect()
    }

    fn total(axis: Axis, target: u32) -> u64 {
        axis.taps(target).map(|source| axis.weight(target, source)).sum()
    }

    #[test]
    fn area_weights_are_the_overlaps() {
        assert_eq!(weights(ImageFilter::Area, 4, 2, 0), [2, 2, 0, 0]);
        assert_eq!(weights(ImageFilter::Area, 5, 2, 1), [0, 0, 1, 2, 2]);
        assert_eq!(weights(ImageFilter::Area, 2, 3, 1), [1, 1]);
    }

    #[test]
    fn bilinear_weights_are_a_triangle() {
        assert_eq!(weights(ImageFilter::Bilinear, 4, 2, 0), [6, 6, 2, 0]);
        assert_eq!(weights(ImageFilter::Bilinear, 2, 4, 1), [6, 2]);
        assert_eq!(weights(ImageFilter::Bilinear, 3, 3, 1), [0, 6, 0]);
    }

    #[test]
    fn taps_hold_every_weight_that_counts() {
        for filter in [ImageFilter::Area, ImageFilter::Bilinear] {
            for from in 1..20 {
                for to in 1..20 {
                    let axis = Axis::new(filter, from, to);
                    for target in 0..to {
                        let all: u64 = (0..from).map(|source| axis.weight(target, source)).sum();
                        assert_eq!(total(axis, target), all, "{filter:?} {from} {to} {target}");
                        assert!(all > 0 && axis.taps(target).end <= from);
                    }
                }
            }
        }
    }

    #[test]
    fn the_largest_sums_fit_64_bits() {
        for filter in [ImageFilter::Area, ImageFilter::Bilinear] {
            let total = total(Axis::new(filter, 8192, 1), 0);
            assert!(total.checked_mul(total).and_then(|both| both.checked_mul(255 * 2 + 1)).is_some(), "{total}");
        }
    }
}
