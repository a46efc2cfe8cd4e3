//! From sound to what a network reads: mel spectra as bytes.
//!
//! Windows of `window` samples, `hop` apart, times a Hann window; the power of their spectrum; triangular bands evenly spaced on the
//! mel scale `2595 log10(1 + f / 700)`; natural logarithms of `power + 1e-6`, of samples from -1 to 1. The largest of a recording is
//! 255, a logarithm less by `SPAN` or more is 0: what is left does not depend on how loud a recording is.

use crate::error::TrainError;
use bantam_tools::folder::FrontEnd;
use realfft::RealFftPlanner;

/// Logarithms below the loudest by this much are 0.
const SPAN: f32 = 12.0;
/// Added to powers before their logarithm.
const FLOOR: f32 = 1e-6;

/// Times of a spectrum.
///
/// # Errors
/// [`TrainError::FrontEnd`] for numbers that do not fit each other.
pub fn frames(front_end: &FrontEnd) -> Result<usize, TrainError> {
    let FrontEnd { rate, samples, window, hop, bands, low, high } = *front_end;
    if window < 2 || hop == 0 || bands == 0 || window > samples || low >= high || high > rate / 2 {
        return Err(TrainError::FrontEnd(format!(
            "{bands} bands from {low} to {high} Hz of windows of {window} samples, {hop} apart, cannot be made of {samples} samples at {rate} Hz"
        )));
    }
    Ok((samples - window) / hop + 1)
}

/// The middle of a recording as `[frames, bands]` bytes.
///
/// # Errors
/// [`TrainError::FrontEnd`].
pub fn spectrum(front_end: &FrontEnd, sound: &[f32]) -> Result<Vec<u8>, TrainError> {
    let frames = frames(front_end)?;
    let FrontEnd { samples, window, hop, bands, .. } = *front_end;
    let sound = middle(sound, samples);
    let weights = bands_of(front_end);
    let hann = |index: usize| 0.5 - 0.5 * libm::cosf(std::f32::consts::TAU * index as f32 / window as f32);
    let shape: Vec<f32> = (0..window).map(hann).collect();
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(window);
    let (mut input, mut output) = (transform.make_input_vec(), transform.make_output_vec());
    let mut logarithms = Vec::with_capacity(frames * bands);
    for frame in 0..frames {
        let part = &sound[frame * hop..frame * hop + window];
        input.iter_mut().zip(part).zip(&shape).for_each(|((target, x), weight)| *target = x * weight);
        transform
            .process(&mut input, &mut output)
            .map_err(|error| TrainError::FrontEnd(format!("the transform of {window} samples failed: {error}")))?;
        let power: Vec<f32> = output.iter().map(|bin| bin.norm_sqr() / window as f32).collect();
        logarithms.extend(weights.iter().map(|band| {
            let sum: f32 = band.iter().zip(&power).map(|(weight, power)| weight * power).sum();
            libm::logf(sum + FLOOR)
        }));
    }
    let loudest = logarithms.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let byte = |logarithm: f32| ((logarithm - loudest) / SPAN + 1.0).clamp(0.0, 1.0) * 255.0;
    Ok(logarithms.into_iter().map(|logarithm| byte(logarithm).round() as u8).collect())
}

/// As many samples from the middle, with zeros on both sides of what is shorter.
fn middle(sound: &[f32], samples: usize) -> Vec<f32> {
    if sound.len() >= samples {
        let start = (sound.len() - samples) / 2;
        return sound[start..start + samples].to_vec();
    }
    let mut padded = vec![0.0; samples];
    let start = (samples - sound.len()) / 2;
    padded[start..start + sound.len()].copy_from_slice(sound);
    padded
}

/// The weight of each bin of a spectrum in each band.
fn bands_of(front_end: &FrontEnd) -> Vec<Vec<f32>> {
    let FrontEnd { rate, window, bands, low, high, .. } = *front_end;
    let mel = |hertz: f32| 2595.0 * libm::log10f(1.0 + hertz / 700.0);
    let hertz = |mel: f32| 700.0 * (libm::powf(10.0, mel / 2595.0) - 1.0);
    let (from, to) = (mel(low as f32), mel(high as f32));
    let corner = |index: usize| hertz(from + (to - from) * index as f32 / (bands + 1) as f32);
    let triangle = |band: usize| {
        let (left, peak, right) = (corner(band), corner(band + 1), corner(band + 2));
        let weight = |bin: usize| {
            let at = bin as f32 * rate as f32 / window as f32;
            ((at - left) / (peak - left)).min((right - at) / (right - peak)).max(0.0)
        };
        (0..=window / 2).map(weight).collect()
    };
    (0..bands).map(triangle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT_END: FrontEnd =
        FrontEnd { rate: 8000, samples: 8000, window: 512, hop: 240, bands: 32, low: 100, high: 3900 };

    #[test]
    fn a_tone_is_loudest_in_its_band_and_loudness_does_not_count() {
        let tone = |volume: f32| -> Vec<f32> {
            (0..8000).map(|t| volume * libm::sinf(std::f32::consts::TAU * 1000.0 * t as f32 / 8000.0)).collect()
        };
        let spectrum_of = |sound: &[f32]| spectrum(&FRONT_END, sound).unwrap();
        let loud = spectrum_of(&tone(0.5));
        assert_eq!(loud.len(), frames(&FRONT_END).unwrap() * 32);
        let row = &loud[10 * 32..11 * 32];
        let best = (0..32).max_by_key(|&band| row[band]).unwrap();
        let weights = &bands_of(&FRONT_END)[best];
        assert!(weights[64] > 0.0, "1000 Hz is bin 64, band {best} peaks elsewhere");
        let soft = spectrum_of(&tone(0.25));
        assert!(loud.iter().zip(&soft).all(|(a, b)| a.abs_diff(*b) <= 30), "only the floor may differ");
    }

    #[test]
    fn short_sounds_lie_in_the_middle_and_nonsense_is_refused() {
        assert_eq!(middle(&[1.0, 2.0], 5), [0.0, 1.0, 2.0, 0.0, 0.0]);
        assert_eq!(middle(&[1.0, 2.0, 3.0, 4.0], 2), [2.0, 3.0]);
        let error = frames(&FrontEnd { high: 5000, ..FRONT_END }).unwrap_err().to_string();
        assert!(error.contains("5000 Hz") && error.contains("8000 Hz"), "{error}");
    }
}
