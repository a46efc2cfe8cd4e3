//! micro_speech hears "yes" and "no".
//!
//! The front end is not part of the runtime. This one follows, in floats, the published one of TensorFlow Lite Micro's
//! example (`tensorflow/lite/experimental/microfrontend`): windows of 30 ms every 20 ms, Hann, a transform of 512 points,
//! 40 triangles on the mel scale from 125 to 7,500 Hz, subtraction of a moving estimate of noise, normalisation of the gain
//! of each channel (PCAN), logarithm; then the example's scaling to 8 bits.

use bantam_tests::tflite::models::{folder, golden_models};
use bantam_tests::tflite::{artifact, run};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::f32::consts::PI;

const SAMPLE_RATE: u32 = 16_000;
const WINDOW: usize = 480;
const STRIDE: usize = 320;
const POINTS: usize = 512;
const CHANNELS: usize = 40;
const FRAMES: usize = 49;
/// Frequencies in hertz between which the channels lie.
const BAND: [f32; 2] = [125.0, 7500.0];
/// How fast the estimate of noise follows, for even and odd channels.
const SMOOTHING: [f32; 2] = [0.025, 0.06];
/// The share of a signal that subtraction of noise leaves at least.
const LEAST_SIGNAL: f32 = 0.05;
/// Exponent and offset of the normalisation of gain.
const STRENGTH: f32 = 0.95;
const OFFSET: f32 = 80.0;

/// Classes in the order of the model's outputs.
const LABELS: [&str; 4] = ["silence", "unknown", "yes", "no"];

fn mel(frequency: f32) -> f32 {
    1127.0 * (1.0 + frequency / 700.0).ln()
}

/// Energies of the channels from those of the transform's frequencies: each channel rises from the centre of the one before
/// to its own and falls to that of the next.
fn channels(energies: &[f32]) -> [f32; CHANNELS] {
    let (low, high) = (mel(BAND[0]), mel(BAND[1]));
    let spacing = (high - low) / (CHANNELS + 1) as f32;
    std::array::from_fn(|channel| {
        let center = low + spacing * (channel + 1) as f32;
        let weighted = energies.iter().enumerate().map(|(bin, energy)| {
            let distance = (mel(bin as f32 * SAMPLE_RATE as f32 / POINTS as f32) - center).abs();
            energy * (1.0 - distance / spacing).max(0.0)
        });
        weighted.sum()
    })
}

/// The features of a second of sound, frame after frame.
fn features(samples: &[f32]) -> Vec<i8> {
    let transform = FftPlanner::new().plan_fft_forward(POINTS);
    let window: Vec<f32> =
        (0..WINDOW).map(|at| 0.5 - 0.5 * (2.0 * PI * (at as f32 + 0.5) / WINDOW as f32).cos()).collect();
    let mut noise = [0f32; CHANNELS];
    let mut features = Vec::new();
    for frame in samples.windows(WINDOW).step_by(STRIDE).take(FRAMES) {
        let mut points = vec![Complex::new(0.0, 0.0); POINTS];
        for ((point, sample), weight) in points.iter_mut().zip(frame).zip(&window) {
            point.re = sample * weight;
        }
        transform.process(&mut points);
        let energies: Vec<f32> = points[..POINTS / 2].iter().map(|point| point.norm_sqr()).collect();
        for (channel, energy) in channels(&energies).into_iter().enumerate() {
            // The reference's transform divides by its points, and its weights are multiples of 2^-12.
            let signal = energy.sqrt() / POINTS as f32 * 64.0;
            let smoothing = SMOOTHING[channel % 2];
            noise[channel] = (smoothing * signal + (1.0 - smoothing) * noise[channel]).min(signal.max(noise[channel]));
            let estimate = noise[channel].min(signal);
            let cleaned = (signal - estimate).max(LEAST_SIGNAL * signal);
            // The estimate counts in eighths, as the gain's table does.
            let ratio = cleaned * 8.0 * (noise[channel] * 8.0 + OFFSET).powf(-STRENGTH);
            let normalized = if ratio < 2.0 { ratio * ratio / 4.0 } else { ratio - 1.0 } * 64.0;
            let logarithm = (normalized * 8.0).max(1.0).ln() * 64.0;
            features.push((logarithm * 256.0 / 666.0 - 128.0).round().clamp(-128.0, 127.0) as i8);
        }
    }
    features
}

#[test]
fn yes_and_no_are_heard() {
    let Some(folder) = folder() else { return };
    let models = golden_models();
    let model = models.iter().find(|model| model.name == "micro_speech").unwrap();
    let artifact = artifact(&model.file).unwrap();
    for said in ["yes", "no"] {
        let mut file = hound::WavReader::open(folder.join(format!("micro_speech_{said}_1000ms.wav"))).unwrap();
        assert_eq!((file.spec().sample_rate, file.spec().channels), (SAMPLE_RATE, 1));
        let samples: Vec<f32> = file.samples::<i16>().map(|sample| f32::from(sample.unwrap())).collect();
        let features = features(&samples);
        assert_eq!(features.len(), FRAMES * CHANNELS);
        let input = features.iter().map(|feature| feature.cast_unsigned()).collect();
        let answer = run(&artifact, &[vec![input]]).remove(0).remove(0);
        let scores: Vec<i8> = answer.iter().map(|byte| byte.cast_signed()).collect();
        println!("{said}: {LABELS:?} {scores:?}");
        let best = (0..LABELS.len()).max_by_key(|&class| scores[class]).unwrap();
        assert_eq!(LABELS[best], said, "{scores:?}");
    }
}
