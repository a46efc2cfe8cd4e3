//! How sure a mean over some rows is.

use serde::Serialize;

/// Rows are drawn anew this often.
const DRAWS: usize = 1000;
/// Share of the draws that an interval leaves out on each side.
const TAIL: f64 = 0.025;

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The 95 % bootstrap interval of the mean: rows are drawn with replacement, and the middle of the means is kept (Efron's
/// percentile interval). The same seed gives the same interval.
#[must_use]
pub fn bootstrap(rows: &[f64], seed: u64) -> Interval {
    if rows.is_empty() {
        return Interval { low: 0.0, high: 0.0 };
    }
    let mut random = SplitMix::new(seed);
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| (0..rows.len()).map(|_| rows[random.below(rows.len())]).sum::<f64>() / rows.len() as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let cut = (TAIL * DRAWS as f64) as usize;
    Interval { low: means[cut], high: means[DRAWS - 1 - cut] }
}

/// SplitMix64: a small generator whose numbers are the same everywhere.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`, which is above zero.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_mean_and_narrow_with_more_rows() {
        let rows = |count: usize| (0..count).map(|row| f64::from(u8::from(row % 10 != 0))).collect::<Vec<_>>();
        let (few, many) = (bootstrap(&rows(50), 1), bootstrap(&rows(5000), 1));
        for interval in [few, many] {
            assert!(interval.low <= 0.9 && 0.9 <= interval.high, "{interval:?}");
        }
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
        // Of a share p over n rows about 1.96 sqrt(p (1 - p) / n) on each side.
        assert!((many.high - many.low - 2.0 * 1.96 * (0.09f64 / 5000.0).sqrt()).abs() < 0.002);
        assert_eq!(few, bootstrap(&rows(50), 1));
        assert_eq!(bootstrap(&[], 1), Interval { low: 0.0, high: 0.0 });
    }
}
