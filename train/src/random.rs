//! Random numbers that depend on a seed and on what they are for, not on what was drawn before: a run that is taken up again
//! draws the same ones.

use bantam_tools::interval::SplitMix;

/// A generator for one purpose: the seed, and numbers that name the purpose.
#[must_use]
pub fn generator(seed: u64, purpose: &[u64]) -> SplitMix {
    let mut state = seed;
    for &part in purpose {
        state = SplitMix::new(state ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93)).bits();
    }
    SplitMix::new(state)
}

/// A number in `[0, 1)` of 24 bits.
pub fn unit(random: &mut SplitMix) -> f32 {
    (random.bits() >> 40) as f32 / (1u32 << 24) as f32
}

/// A number in `[-1, 1)`.
pub fn signed(random: &mut SplitMix) -> f32 {
    2.0 * unit(random) - 1.0
}

/// A whole number from `-most` to `most`.
pub fn around(random: &mut SplitMix, most: usize) -> isize {
    random.below(2 * most + 1) as isize - most as isize
}

/// A number of the standard normal distribution (Box and Muller 1958).
pub fn normal(random: &mut SplitMix) -> f32 {
    let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - unit(random)));
    radius * libm::cosf(std::f32::consts::TAU * unit(random))
}

/// The numbers below `count`, shuffled (Fisher and Yates).
pub fn shuffled(random: &mut SplitMix, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_independent_and_orders_complete() {
        let draw = |purpose: &[u64]| generator(7, purpose).bits();
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        let mut order = shuffled(&mut generator(7, &[3]), 100);
        assert_ne!(order[..10], (0..10).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
        let numbers: Vec<f32> = {
            let mut random = generator(7, &[4]);
            (0..10_000).map(|_| normal(&mut random)).collect()
        };
        let mean = numbers.iter().sum::<f32>() / 1e4;
        let power = numbers.iter().map(|x| x * x).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (power - 1.0).abs() < 0.05, "{mean} {power}");
    }
}
