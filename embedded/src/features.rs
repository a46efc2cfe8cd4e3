//! Features of a window that are computed in floats, for models that do not take the samples themselves.
//!
//! Feature `float`. The functions behind them are those of `libm`, the same on every device and on the host where the model was
//! trained. With the feature `micromath` they are those of that crate, several times smaller and faster on a device without a
//! float unit, and approximate: from a millionth to a million the square root is off by up to 6.1 % and the logarithm by up to
//! 0.118, the cosine by up to 0.0011 (tested). Train on features that were computed the same way.
//!
//! Where memory is short, keep floats as 16-bit ones: `half::f16` is a sample like any other, so a
//! [`Ring<f16, N>`](crate::Ring) takes half the bytes of a `Ring<f32, N>`, and [`Ring::copy_to`](crate::Ring::copy_to) widens
//! them with `f16::to_f32`. From 2^-14 to 65504 that is off by less than 0.05 % (tested).

/// Mean of the samples; 0 of none.
pub fn mean(samples: &[f32]) -> f32 {
    if samples.is_empty() { 0.0 } else { samples.iter().sum::<f32>() / samples.len() as f32 }
}

/// Root of the mean square of what is left of the samples without their mean; 0 of none.
pub fn deviation(samples: &[f32]) -> f32 {
    let mean = mean(samples);
    let squares = samples.iter().map(|sample| (sample - mean) * (sample - mean)).sum::<f32>();
    if samples.is_empty() { 0.0 } else { sqrt(squares / samples.len() as f32) }
}

/// From the smallest to the largest sample; 0 of none, and where one is NaN it is passed over.
pub fn span(samples: &[f32]) -> f32 {
    let least = samples.iter().copied().fold(f32::INFINITY, f32::min);
    let most = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if least <= most { most - least } else { 0.0 }
}

/// Power of one frequency, by Goertzel's recurrence: the squared magnitude of that bin of a Fourier transform, divided by the
/// square of the number of samples. `turns` is the frequency in turns per sample, from 0 to 0.5.
pub fn power_at(samples: &[f32], turns: f32) -> f32 {
    let factor = 2.0 * cos(core::f32::consts::TAU * turns);
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for sample in samples {
        (last, before) = (sample + factor * last - before, last);
    }
    let power = last * last + before * before - factor * last * before;
    let count = samples.len().max(1) as f32;
    power / (count * count)
}

/// Natural logarithm of a power, of which nothing is less than a millionth: as ears and most models take it.
pub fn log_power(power: f32) -> f32 {
    ln(power.max(1e-6))
}

#[cfg(any(test, feature = "micromath"))]
mod approximate {
    use micromath::F32Ext;

    pub fn sqrt(value: f32) -> f32 {
        F32Ext::sqrt(value)
    }

    pub fn cos(angle: f32) -> f32 {
        F32Ext::cos(angle)
    }

    pub fn ln(value: f32) -> f32 {
        F32Ext::ln(value)
    }
}

#[cfg(feature = "micromath")]
use approximate::{cos, ln, sqrt};
#[cfg(not(feature = "micromath"))]
use libm::{cosf as cos, logf as ln, sqrtf as sqrt};

#[cfg(test)]
#[allow(unused_qualifications)] // with `micromath` its functions are in scope anyway
mod tests {
    use super::*;
    use half::f16;

    /// What the documentation says.
    const SQRT: f32 = 0.061;
    const COS: f32 = 0.0011;
    const LN: f32 = 0.118;

    /// Numbers from a millionth to a million, evenly by their logarithm.
    fn numbers() -> impl Iterator<Item = f32> {
        (0..=4000).map(|step| libm::expf((step as f32 - 2000.0) / 2000.0 * 13.815))
    }

    #[test]
    fn approximations_are_as_near_as_is_said() {
        for value in numbers() {
            let (near, exact) = (approximate::sqrt(value), libm::sqrtf(value));
            assert!((near / exact - 1.0).abs() < SQRT, "sqrt {value}: {near} {exact}");
            let (near, exact) = (approximate::ln(value), libm::logf(value));
            assert!((near - exact).abs() < LN, "ln {value}: {near} {exact}");
        }
        for step in 0..=1000 {
            let angle = step as f32 / 1000.0 * core::f32::consts::PI;
            let (near, exact) = (approximate::cos(angle), libm::cosf(angle));
            assert!((near - exact).abs() < COS, "cos {angle}: {near} {exact}");
        }
    }

    #[test]
    fn sixteen_bits_keep_three_digits() {
        for value in numbers().filter(|value| (6.2e-5..65_504.0).contains(value)) {
            let kept = f16::from_f32(value).to_f32();
            assert!((kept / value - 1.0).abs() < 5e-4, "{value} {kept}");
        }
        let mut ring = crate::Ring::<f16, 2>::new(1);
        assert!(![f16::from_f32(1.5), f16::from_f32(-2.25)].map(|sample| ring.push(sample))[0]);
        let mut window = [0.0; 2];
        ring.copy_to(&mut window, |sample| sample.to_f32());
        assert_eq!(window, [1.5, -2.25]);
    }

    #[test]
    fn features_of_known_windows() {
        assert_eq!([mean(&[]), deviation(&[]), span(&[]), power_at(&[], 0.1)], [0.0; 4]);
        let steps = [1.0, 2.0, 3.0, 4.0];
        assert_eq!((mean(&steps), span(&steps)), (2.5, 3.0));
        assert!((deviation(&steps) / libm::sqrtf(1.25) - 1.0).abs() < SQRT);
        assert_eq!(span(&[f32::NAN, 1.0, 4.0]), 3.0);
        // A cosine of amplitude 2 at an eighth of the sampling rate has a power of 1 there and none elsewhere.
        let wave: [f32; 64] = core::array::from_fn(|at| 2.0 * libm::cosf(at as f32 * core::f32::consts::FRAC_PI_4));
        assert!((power_at(&wave, 0.125) - 1.0).abs() < 0.02, "{}", power_at(&wave, 0.125));
        assert!(power_at(&wave, 0.25) < 0.001);
        assert!(log_power(1.0).abs() < LN && (log_power(0.0) - libm::logf(1e-6)).abs() < LN);
    }
}
