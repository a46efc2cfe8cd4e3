//! What the 16-bit functions of TensorFlow Lite's reference kernels look up. Each function names the file it follows.

/// Factor and right shift that make an input count in 1 / (3 * 4096) (`logistic_common.cc`, `tanh.cc`). None where the
/// steps are so coarse or so fine that the reference's own numbers overflow.
#[must_use]
pub fn sigmoid_factor(scale: f32, tangent: bool) -> Option<(u32, u8)> {
    let logarithm = scale.ln() * (1.0 / 2f32.ln());
    let whole = logarithm.round();
    let shift = 12 + whole as i32;
    // A power of two for which the factor is exact.
    if (logarithm - whole).abs() < 1e-3 && (shift == 0 || (tangent && shift == 1)) {
        return Some((3 << shift, 0));
    }
    let (mut factor, mut shift) = (f64::from(scale) * 4096.0 * 3.0, 0);
    while factor <= 32767.0 / 2.0 && shift <= 30 {
        shift += 1;
        factor *= 2.0;
    }
    (factor < 32768.0 && shift <= 30).then_some((factor as u32, shift))
}

/// Sigmoids of multiples of 1/24 with 16 fractional bits, less half of what linear interpolation errs by in the middle to
/// the next one (`common.h`). The last one is the largest number.
#[must_use]
pub fn sigmoid_entries() -> [u16; 256] {
    let sigmoid = |steps: f64| 65536.0 / (1.0 + libm::exp(-steps / 24.0));
    std::array::from_fn(|index| {
        let at = index as f64;
        let error = f64::midpoint(sigmoid(at), sigmoid(at + 1.0)) - sigmoid(at + 0.5);
        if index == 255 { u16::MAX } else { (sigmoid(at) - error / 2.0).round() as u16 }
    })
}

/// Exponentials of -10 to 0 with 15 fractional bits (`softmax_common.cc`).
#[must_use]
pub fn exponentials() -> [i16; 513] {
    entries(10.0 / 65535.0, 32767, |x| libm::exp(x.into()) as f32)
}

/// `1 / (1 + x)` of 0 to 1 with 15 fractional bits (`softmax_common.cc`).
#[must_use]
pub fn reciprocals() -> [i16; 513] {
    entries(1.0 / 65535.0, -32768, |x| 1.0 / (1.0 + x))
}

/// `LUTPopulateInt16` (`common.h`) for results from -1 to 1: less half of what linear interpolation errs by between two
/// entries, in f32 throughout.
fn entries(scale: f32, zero_point: i32, function: impl Fn(f32) -> f32) -> [i16; 513] {
    const STEPS: usize = 512;
    let [input_min, input_max] = [-32768, 32767].map(|q| scale * (q - zero_point) as f32);
    let [output_min, output_max] = [-32768f32, 32767.0].map(|q| (2.0 / 65535.0) * q);
    let step = (input_max - input_min) / STEPS as f32;
    let (half_step, inverse) = (step / 2.0, 65536.0 / (output_max - output_min));
    let clamped = |entry: f32| entry.clamp(-32768.0, 32767.0) as i16;
    std::array::from_fn(|index| {
        if index == STEPS {
            return clamped((function(input_max) * inverse).round());
        }
        let at = |index: usize| input_min + index as f32 * step;
        let (value, middle, next) = (function(at(index)), function(at(index) + half_step), function(at(index + 1)));
        let sample = (value * inverse).round();
        let interpolated = ((next * inverse + sample) / 2.0).round();
        let bias = ((interpolated - (middle * inverse).round()) / 2.0).round();
        clamped(sample - bias)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_near_their_functions() {
        for (index, entry) in sigmoid_entries().into_iter().enumerate() {
            let exact = 65536.0 / (1.0 + (-(index as f64) / 24.0).exp());
            assert!((f64::from(entry) - exact).abs() < 1.6, "{index}: {entry} {exact}");
        }
        for (index, (exponential, reciprocal)) in exponentials().into_iter().zip(reciprocals()).enumerate() {
            let share = index as f64 / 512.0;
            assert!((f64::from(exponential) / 32768.0 - (-10.0 + 10.0 * share).exp()).abs() < 2e-4, "{index}");
            assert!((f64::from(reciprocal) / 32768.0 - 1.0 / (1.0 + share)).abs() < 1e-4, "{index}");
        }
    }

    #[test]
    fn factors_count_in_the_steps_of_the_table() {
        assert_eq!(sigmoid_factor(1.0 / 4096.0, false), Some((3, 0)));
        assert_eq!(sigmoid_factor(1.0 / 2048.0, true), Some((6, 0)));
        let (factor, shift) = sigmoid_factor(0.001, false).unwrap();
        let real = f64::from(factor) / f64::from(1u32 << shift);
        assert!((real / (0.001 * 12288.0) - 1.0).abs() < 1e-4, "{factor} {shift}");
        assert_eq!(sigmoid_factor(3.0, false), None);
    }
}
