//! Rounding of weights so that a layer's results change least, not the weights.
//!
//! With H the second moments of a layer's inputs, rounding weights w to v adds `(w - v)' H (w - v)` to the mean squared error of
//! its results. [`Rounder::round`] takes weights one by one, each to the integer nearest to what makes up for the errors of those
//! before: GPTQ (Frantar et al. 2022), written as Babai's nearest plane over a Cholesky factor of H, to which it is
//! equal. Then single weights move on while that lowers the error: coordinate descent, which ends at a rounding that no
//! change of one weight improves.

/// Sweeps of coordinate descent.
const SWEEPS: usize = 24;

/// What the inputs of a layer say about rounding its weights.
#[derive(Clone, Debug)]
pub struct Rounder {
    /// Second moments `[taps, taps]`, damped, in `order`.
    moments: Vec<f64>,
    /// Upper triangle of the transposed Cholesky factor, row by row whole, in `order`.
    factor: Vec<f64>,
    /// Which tap stands at each place: inputs with the most power last, so that they are rounded first.
    order: Vec<usize>,
}

impl Rounder {
    /// Takes second moments `[taps, taps]`; `damping` of their mean diagonal is added to the diagonal. None where they are not
    /// positive definite even so.
    #[must_use]
    pub fn new(moments: &[f64], damping: f64) -> Option<Self> {
        let taps = moments.len().isqrt();
        let diagonal = |tap: usize| moments[tap * taps + tap];
        let mean = (0..taps).map(diagonal).sum::<f64>() / taps.max(1) as f64;
        let mut order: Vec<usize> = (0..taps).collect();
        order.sort_by(|&a, &b| diagonal(a).total_cmp(&diagonal(b)).then(a.cmp(&b)));
        let damped = |row: usize, column: usize| {
            moments[row * taps + column] + if row == column { (mean * damping).max(f64::MIN_POSITIVE) } else { 0.0 }
        };
        let moments: Vec<f64> =
            order.iter().flat_map(|&row| order.iter().map(move |&column| damped(row, column))).collect();
        Some(Self { factor: transposed_cholesky(&moments, taps)?, moments, order })
    }

    /// Rounds one channel's weights to integers at `scale`.
    #[must_use]
    pub fn round(&self, weights: &[f32], scale: f32, nearest: impl Fn(f64) -> i8) -> Vec<i8> {
        let taps = self.order.len();
        let scale = f64::from(scale);
        let mut errors = vec![0f64; taps];
        let mut rounded = vec![0i8; taps];
        for place in (0..taps).rev() {
            let weight = f64::from(weights[self.order[place]]);
            let row = &self.factor[place * taps..(place + 1) * taps];
            let owed: f64 =
                row[place + 1..].iter().zip(&errors[place + 1..]).map(|(factor, error)| factor * error).sum();
            rounded[place] = nearest((weight + owed / row[place]) / scale);
            errors[place] = weight - f64::from(rounded[place]) * scale;
        }
        self.descend(&mut rounded, &mut errors, scale, nearest);
        let mut integers = vec![0; taps];
        for (place, &tap) in self.order.iter().enumerate() {
            integers[tap] = rounded[place];
        }
        integers
    }

    /// The better of [`round`](Self::round) and of coordinate descent from the nearest integers.
    #[must_use]
    pub fn round_best(&self, weights: &[f32], scale: f32, nearest: impl Fn(f64) -> i8 + Copy) -> Vec<i8> {
        let steps = f64::from(scale);
        let ordered = self.order.iter().map(|&tap| f64::from(weights[tap]));
        let mut rounded: Vec<i8> = ordered.clone().map(|weight| nearest(weight / steps)).collect();
        let mut errors: Vec<f64> = ordered.zip(&rounded).map(|(weight, &q)| weight - f64::from(q) * steps).collect();
        self.descend(&mut rounded, &mut errors, steps, nearest);
        let mut simple = vec![0; rounded.len()];
        for (place, &tap) in self.order.iter().enumerate() {
            simple[tap] = rounded[place];
        }
        let chosen = self.round(weights, scale, nearest);
        if self.error(weights, &simple, scale) < self.error(weights, &chosen, scale) { simple } else { chosen }
    }

    /// Moves single weights while that helps.
    fn descend(&self, rounded: &mut [i8], errors: &mut [f64], scale: f64, nearest: impl Fn(f64) -> i8) {
        let taps = self.order.len();
        let mut gradient: Vec<f64> = self.moments.chunks(taps.max(1)).map(|row| dot(row, errors)).collect();
        for _ in 0..SWEEPS {
            let mut moved = false;
            for place in 0..taps {
                let row = &self.moments[place * taps..(place + 1) * taps];
                let best = nearest(f64::from(rounded[place]) + gradient[place] / (row[place] * scale));
                let change = f64::from(i16::from(best) - i16::from(rounded[place])) * scale;
                // What the move takes off the error, twice over; halves of a step change nothing and may not go back and forth.
                let gain = change * (2.0 * gradient[place] - change * row[place]);
                if change == 0.0 || gain <= 1e-9 * change * change * row[place] {
                    continue;
                }
                moved = true;
                rounded[place] = best;
                errors[place] -= change;
                for (gradient, moment) in gradient.iter_mut().zip(row) {
                    *gradient -= change * moment;
                }
            }
            if !moved {
                break;
            }
        }
    }

    /// The mean squared error that these integers at `scale` add to the results of their channel.
    #[must_use]
    pub fn error(&self, weights: &[f32], integers: &[i8], scale: f32) -> f64 {
        let taps = self.order.len();
        let difference = |&tap: &usize| f64::from(weights[tap]) - f64::from(integers[tap]) * f64::from(scale);
        let errors: Vec<f64> = self.order.iter().map(difference).collect();
        self.moments.chunks(taps.max(1)).zip(&errors).map(|(row, error)| error * dot(row, &errors)).sum()
    }

    /// How much each tap's own error weighs.
    #[must_use]
    pub fn weights_of_taps(&self) -> Vec<f64> {
        let taps = self.order.len();
        let mut diagonal = vec![0.0; taps];
        for (place, &tap) in self.order.iter().enumerate() {
            diagonal[tap] = self.moments[place * taps + place];
        }
        diagonal
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The matrix U, upper triangular, with `U' U = moments`.
fn transposed_cholesky(moments: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0f64; size * size];
    for row in 0..size {
        // Row `row` of U is what is left of the same row of the moments, divided by the root of its first element.
        let mut rest: Vec<f64> = moments[row * size + row..(row + 1) * size].to_vec();
        for above in factor.chunks(size).take(row) {
            let own = above[row];
            if own != 0.0 {
                for (rest, element) in rest.iter_mut().zip(&above[row..]) {
                    *rest -= own * element;
                }
            }
        }
        let root = rest.first().copied().filter(|&first| first > 0.0)?.sqrt();
        for (element, rest) in factor[row * size + row..(row + 1) * size].iter_mut().zip(rest) {
            *element = rest / root;
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::super::weights::WeightBits;
    use super::*;
    use proptest::prelude::*;

    /// Moments of rows that lean on each other.
    fn moments(seed: u64, taps: usize) -> Vec<f64> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        let mut sums = vec![0.0; taps * taps];
        for _ in 0..taps * 4 {
            let common = next() * 2.0;
            let row: Vec<f64> = (0..taps).map(|_| common + next()).collect();
            for (a, sums) in row.iter().zip(sums.chunks_mut(taps)) {
                row.iter().zip(sums).for_each(|(b, sum)| *sum += a * b);
            }
        }
        sums
    }

    proptest! {
        #[test]
        fn results_change_less_than_by_rounding_each_weight(seed in any::<u64>(), taps in 1usize..12, scale in 0.02f32..0.3) {
            let rounder = Rounder::new(&moments(seed, taps), 1e-6).unwrap();
            let weights: Vec<f32> = (0..taps).map(|tap| ((seed >> (tap * 5)) & 31) as f32 / 16.0 - 1.0).collect();
            let bits = WeightBits::Four;
            let rounded = rounder.round_best(&weights, scale, |steps| bits.nearest(steps));
            let simple: Vec<i8> = weights.iter().map(|&weight| bits.nearest(f64::from(weight / scale))).collect();
            prop_assert!(rounder.error(&weights, &rounded, scale) <= rounder.error(&weights, &simple, scale) + 1e-9);
            // No single weight can be improved.
            let best = rounder.error(&weights, &rounded, scale);
            for tap in 0..taps {
                for step in [-1, 1] {
                    let mut other = rounded.clone();
                    other[tap] = (other[tap] + step).clamp(-8, 7);
                    prop_assert!(rounder.error(&weights, &other, scale) >= best * (1.0 - 1e-6) - 1e-9);
                }
            }
        }

        #[test]
        fn independent_inputs_ask_for_the_nearest_integer(weights in prop::collection::vec(-0.8f32..0.7, 1..10)) {
            let taps = weights.len();
            let mut moments = vec![0.0; taps * taps];
            (0..taps).for_each(|tap| moments[tap * taps + tap] = 1.0 + tap as f64);
            let rounder = Rounder::new(&moments, 0.0).unwrap();
            let rounded = rounder.round(&weights, 0.1, |steps| WeightBits::Four.nearest(steps));
            let simple: Vec<i8> = weights.iter().map(|&w| WeightBits::Four.nearest(f64::from(w) / f64::from(0.1f32))).collect();
            prop_assert_eq!(rounded, simple);
        }
    }

    #[test]
    fn inputs_that_never_change_are_no_obstacle() {
        assert!(Rounder::new(&[0.0; 4], 0.01).is_some());
        assert!(Rounder::new(&[1.0, 5.0, 5.0, 1.0], 0.01).is_none(), "no second moments");
    }
}
