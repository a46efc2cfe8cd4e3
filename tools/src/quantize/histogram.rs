//! Histograms of activations, and the ranges chosen from them.

use serde::Serialize;

/// Bins between the smallest and the largest value seen.
pub const BINS: usize = 2048;

/// How a range is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RangeMethod {
    /// Everything that was seen.
    MinMax,
    /// All but the outermost 0.01 % of values.
    Percentile,
    /// The range with the least mean squared error of rounding and clipping together.
    #[default]
    Mse,
}

/// Counts of values between two bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    min: f32,
    max: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// An empty histogram over `min..=max`, both finite.
    #[must_use]
    pub fn new(min: f32, max: f32) -> Self {
        Self { min, max, counts: vec![0; BINS] }
    }

    /// Counts values; those outside the bounds go to the outermost bins.
    pub fn add(&mut self, values: &[f32]) {
        let width = self.width();
        for &value in values {
            let bin = if width > 0.0 { (f64::from(value) - f64::from(self.min)) / width } else { 0.0 };
            self.counts[(bin as usize).min(BINS - 1)] += 1;
        }
    }

    /// Adds the counts of a histogram over the same bounds.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The bounds, and the counts summed up to `bars` parts of the range.
    #[must_use]
    pub fn grouped(&self, bars: usize) -> (f32, f32, Vec<u64>) {
        let mut counts = vec![0; bars.max(1)];
        for (bin, count) in self.counts.iter().enumerate() {
            counts[bin * bars.max(1) / BINS] += count;
        }
        (self.min, self.max, counts)
    }

    /// The smallest and the largest value.
    #[must_use]
    pub const fn bounds(&self) -> (f32, f32) {
        (self.min, self.max)
    }

    fn width(&self) -> f64 {
        (f64::from(self.max) - f64::from(self.min)) / BINS as f64
    }

    /// The chosen range `(min, max)`.
    #[must_use]
    pub fn range(&self, method: RangeMethod) -> (f32, f32) {
        match method {
            RangeMethod::MinMax => (self.min, self.max),
            RangeMethod::Percentile => self.percentile(0.9999),
            RangeMethod::Mse => self.least_squares(),
        }
    }

    /// The narrowest range of whole bins that leaves out at most `1 - share` of the values, half on each side.
    fn percentile(&self, share: f64) -> (f32, f32) {
        let total: u64 = self.counts.iter().sum();
        let outside = ((1.0 - share) / 2.0 * total as f64) as u64;
        let cut = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut seen = 0;
            counts
                .take_while(|&&count| {
                    seen += count;
                    seen <= outside
                })
                .count()
        };
        let (low, high) = (cut(&mut self.counts.iter()), cut(&mut self.counts.iter().rev()));
        let width = self.width();
        let min = f64::from(self.min) + low as f64 * width;
        let max = f64::from(self.max) - high as f64 * width;
        if min < max { (min as f32, max as f32) } else { (self.min, self.max) }
    }

    /// Searches the bounds, each between 30 % and 100 % of what was seen, for the least expected squared error of an
    /// 8-bit representation: a twelfth of the squared step inside, the squared distance outside.
    fn least_squares(&self) -> (f32, f32) {
        let width = self.width();
        let occupied: Vec<(f64, f64)> = self
            .counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0)
            .map(|(bin, &count)| (f64::from(self.min) + (bin as f64 + 0.5) * width, count as f64))
            .collect();
        let error = |low: f64, high: f64| {
            let step = (high.max(0.0) - low.min(0.0)) / 255.0;
            let inside = step * step / 12.0;
            occupied
                .iter()
                .map(|&(x, count)| {
                    let clipped = x - x.clamp(low.min(0.0), high.max(0.0));
                    count * if clipped == 0.0 { inside } else { clipped * clipped }
                })
                .sum::<f64>()
        };
        let candidates = |bound: f32, varied: bool| -> Vec<f64> {
            let steps = if varied { 29 } else { 1 };
            (0..steps).map(|step| f64::from(bound) * (1.0 - f64::from(step) * 0.025)).collect()
        };
        let mut best = (f64::INFINITY, self.min, self.max);
        for low in candidates(self.min, self.min < 0.0) {
            for &high in &candidates(self.max, self.max > 0.0) {
                let error = error(low, high);
                if error < best.0 {
                    best = (error, low as f32, high as f32);
                }
            }
        }
        (best.1, best.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bell_with_outlier() -> Histogram {
        let mut histogram = Histogram::new(-3.0, 60.0);
        // A deterministic bell: sums of uniform steps.
        for i in 0..20_000u32 {
            let uniform = |k: u32| {
                f64::from(i.wrapping_mul(2_654_435_761).wrapping_add(k * 97).rotate_left(k * 7) >> 8)
                    / f64::from(1 << 24)
            };
            let value = (1..=6).map(uniform).sum::<f64>() - 3.0;
            histogram.add(&[value as f32]);
        }
        for _ in 0..6 {
            let copy = histogram.clone();
            histogram.merge(&copy);
        }
        histogram.add(&[60.0]);
        histogram
    }

    #[test]
    fn an_outlier_stretches_only_the_full_range() {
        let histogram = bell_with_outlier();
        assert_eq!(histogram.range(RangeMethod::MinMax), (-3.0, 60.0));
        assert!(histogram.range(RangeMethod::Percentile).1 < 4.0);
        assert!(histogram.range(RangeMethod::Mse).1 < 40.0);
    }

    #[test]
    fn values_without_spread_keep_their_range() {
        let mut histogram = Histogram::new(2.0, 2.0);
        histogram.add(&[2.0; 10]);
        for method in [RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Mse] {
            assert_eq!(histogram.range(method), (2.0, 2.0));
        }
    }

    #[test]
    fn merging_adds() {
        let (mut a, mut b) = (Histogram::new(0.0, 1.0), Histogram::new(0.0, 1.0));
        a.add(&[0.1, 0.9]);
        b.add(&[0.9]);
        let mut both = Histogram::new(0.0, 1.0);
        both.add(&[0.1, 0.9, 0.9]);
        a.merge(&b);
        assert_eq!(a, both);
    }
}
