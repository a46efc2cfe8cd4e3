//! Elementwise functions, in place.

use super::{Number, angle};
use crate::kernels::requantize::{Scale, clamp_f32, multiply_by_quantized_multiplier, round_and_clamp};
use bantam_format::ops::{BinaryKind, UnaryKind};

/// A kind of integer arithmetic ([`BinaryKind::is_integer_arithmetic`]) under `tflite`: Q31 multipliers and shifts. Sums
/// are computed with 20 extra bits, as TensorFlow Lite Micro does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedPointBinary {
    /// What is computed.
    pub kind: BinaryKind,
    /// Zero points of the first input, the second input and the output.
    pub zero_points: [i32; 3],
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// Multipliers and shifts of the first input, the second input and the output.
    pub multipliers: [(u32, i8); 3],
    /// Whether elements have 16 bits.
    pub wide: bool,
}

/// Bits by which `tflite` sums are scaled up before they are rounded: of 8-bit and of 16-bit elements.
const LEFT_SHIFT: [u32; 2] = [20, 15];
/// Bits by which the operands of a squared difference are.
const SQUARE_SHIFT: [u32; 2] = [7, 0];
/// Bits by which the operands of a comparison are.
const COMPARISON_SHIFT: u32 = 8;

impl FixedPointBinary {
    /// The comparison of the real values that two elements stand for.
    pub fn compare(&self, first: i32, second: i32) -> bool {
        let [a, b] = self.scaled(first, second, COMPARISON_SHIFT);
        compare(self.kind, a, b)
    }

    /// The result for two elements.
    pub fn compute(&self, first: i32, second: i32) -> i32 {
        let [first_zero, second_zero, output_zero] = self.zero_points;
        let [first_scale, _, output_scale] = self.multipliers;
        let (a, b) = (first - first_zero, second - second_zero);
        let bits = |[narrow, wide]: [u32; 2]| if self.wide { wide } else { narrow };
        let (raw, multiplier) = match self.kind {
            BinaryKind::IntegerPRelu if a >= 0 => (a, first_scale),
            BinaryKind::Mul | BinaryKind::IntegerPRelu => (a * b, output_scale),
            BinaryKind::SquaredDifference => {
                let [a, b] = self.scaled(first, second, bits(SQUARE_SHIFT));
                let difference = a.wrapping_sub(b);
                (difference.wrapping_mul(difference), output_scale)
            }
            kind => {
                let [a, b] = self.scaled(first, second, bits(LEFT_SHIFT));
                (if kind == BinaryKind::Sub { a.wrapping_sub(b) } else { a.wrapping_add(b) }, output_scale)
            }
        };
        let [low, high] = self.clamp;
        scale(raw, multiplier).saturating_add(output_zero).max(low).min(high)
    }

    /// The scaled values of two elements, with so many extra bits.
    fn scaled(&self, first: i32, second: i32, bits: u32) -> [i32; 2] {
        let ([first_zero, second_zero, _], [first_scale, second_scale, _]) = (self.zero_points, self.multipliers);
        [scale((first - first_zero) << bits, first_scale), scale((second - second_zero) << bits, second_scale)]
    }
}

fn scale(value: i32, (multiplier, shift): (u32, i8)) -> i32 {
    multiply_by_quantized_multiplier(value, multiplier as i32, shift)
}

/// A sum or a difference of [`FixedPointBinary`], prepared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedPointSum {
    zero_points: [i32; 3],
    clamp: [i32; 2],
    /// -1 where the second operand is taken off.
    sign: i32,
    scales: [Scale; 3],
}

impl FixedPointSum {
    /// `None` for other kinds, wider elements and unusual scales.
    pub fn new(parameters: &FixedPointBinary) -> Option<Self> {
        let &FixedPointBinary { kind, zero_points, clamp, multipliers, wide } = parameters;
        let sign = match kind {
            BinaryKind::Add if !wide => 1,
            BinaryKind::Sub if !wide => -1,
            _ => return None,
        };
        let [first, second, output] = multipliers.map(|(multiplier, shift)| Scale::new(multiplier as i32, shift));
        Some(Self { zero_points, clamp, sign, scales: [first?, second?, output?] })
    }

    /// The result for two elements.
    #[inline(always)]
    pub fn compute(&self, first: i32, second: i32) -> i32 {
        let ([first_zero, second_zero, output_zero], [first_scale, second_scale, output_scale]) =
            (self.zero_points, &self.scales);
        let [bits, _] = LEFT_SHIFT;
        // Of less than 2^28 each, and no scale makes more of it.
        let a = first_scale.apply(first.wrapping_sub(first_zero) << bits);
        let b = second_scale.apply(second.wrapping_sub(second_zero) << bits);
        let [low, high] = self.clamp;
        let sum = output_scale.apply(a.wrapping_add(b.wrapping_mul(self.sign)));
        sum.wrapping_add(output_zero).max(low).min(high)
    }

    /// The same of 8-bit elements.
    #[inline(always)]
    pub fn compute_bytes(&self, first: i8, second: i8) -> i8 {
        self.compute(first.into(), second.into()) as i8
    }

    /// The same sum of the operands in the other order; `None` for a difference.
    pub fn swapped(&self) -> Option<Self> {
        let ([first_zero, second_zero, zero], [first, second, output]) = (self.zero_points, self.scales);
        let zero_points = [second_zero, first_zero, zero];
        (self.sign == 1).then_some(Self { zero_points, scales: [second, first, output], ..*self })
    }

    /// Of each operand its zero point, scaled up, then multiplier, half and shift; and these three of the output, whose half
    /// has the zero point with it. The scaled operand is twice as large where it is to be multiplied; where the shift is
    /// nought it is halved, as the reference does with the operand of the larger scale, and there is no multiplier. `None`
    /// for other scales, where clamping is not saturation, and for a difference.
    #[cfg(bantam_dsp)]
    pub fn words(&self) -> Option<[i32; 11]> {
        let operand = |zero_point: i32, scale: &Scale| {
            let [multiplier, half, shift] = scale.parts();
            let serves = shift > 0 || multiplier == 1 << 30;
            let bits = if shift > 0 { LEFT_SHIFT[0] + 1 } else { LEFT_SHIFT[0] - 1 };
            serves.then_some([zero_point << bits, multiplier, half, shift])
        };
        let ([first_zero, second_zero, zero], [first, second, output]) = (self.zero_points, &self.scales);
        let ([a, b, c, d], [e, f, g, h]) = (operand(first_zero, first)?, operand(second_zero, second)?);
        let [multiplier, half, shift] = output.parts();
        let serves = self.sign == 1 && self.clamp == [-128, 127] && (1..=22).contains(&shift);
        let half = half.wrapping_add(zero.wrapping_shl(shift.cast_unsigned()));
        serves.then_some([a, b, c, d, e, f, g, h, multiplier, half, shift])
    }
}

/// A sum, difference or product under `onnx`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearBinary {
    /// What is computed.
    pub kind: BinaryKind,
    /// Zero points of the first input, the second input and the output.
    pub zero_points: [i32; 3],
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// Input scales / output scale; for products their product / output scale is the last.
    pub scales: [f32; 3],
}

impl LinearBinary {
    /// That of a record whose multipliers are the bits of floats.
    pub fn new(parameters: &FixedPointBinary) -> Self {
        let &FixedPointBinary { kind, zero_points, clamp, multipliers, .. } = parameters;
        Self { kind, zero_points, clamp, scales: multipliers.map(|(multiplier, _)| f32::from_bits(multiplier)) }
    }

    /// The result for two elements.
    pub fn compute(&self, first: i32, second: i32) -> i32 {
        let ([first_zero, second_zero, output_zero], [first_scale, second_scale, scale]) =
            (self.zero_points, self.scales);
        let (a, b) = (first - first_zero, second - second_zero);
        let value = match self.kind {
            BinaryKind::Mul => (a * b) as f32 * scale,
            BinaryKind::Sub => a as f32 * first_scale - b as f32 * second_scale,
            _ => a as f32 * first_scale + b as f32 * second_scale,
        };
        round_and_clamp(value, output_zero, self.clamp)
    }
}

/// A function of the real values that integers stand for: the kinds other than sums, differences and products, in every
/// arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RealBinary {
    /// What is computed.
    pub kind: BinaryKind,
    /// Zero points of the first input, the second input and the output.
    pub zero_points: [i32; 3],
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// The inputs' scales, 1 / the output's scale.
    pub scales: [f32; 3],
}

impl RealBinary {
    /// The comparison of the real values that two elements stand for.
    pub fn compare(&self, first: i32, second: i32) -> bool {
        let [first, second] = self.real(first, second);
        compare(self.kind, first, second)
    }

    /// The scaled values of two elements.
    fn real(&self, first: i32, second: i32) -> [f32; 2] {
        let ([first_zero, second_zero, _], [first_scale, second_scale, _]) = (self.zero_points, self.scales);
        [(first - first_zero) as f32 * first_scale, (second - second_zero) as f32 * second_scale]
    }

    /// The result for two elements.
    pub fn compute(&self, first: i32, second: i32) -> i32 {
        let ([_, _, output_zero], [_, _, output_scale]) = (self.zero_points, self.scales);
        let [a, b] = self.real(first, second);
        round_and_clamp(float_operation(self.kind, a, b) * output_scale, output_zero, self.clamp)
    }
}

/// Combines `data` with as many second operands.
pub fn binary<T: Copy>(function: impl Fn(T, T) -> T, second: impl Iterator<Item = T>, data: &mut [T]) {
    for (value, second) in data.iter_mut().zip(second) {
        *value = function(*value, second);
    }
}

/// The result of a float op, clamped.
pub fn binary_f32(kind: BinaryKind, clamp: [f32; 2], a: f32, b: f32) -> f32 {
    clamp_f32(float_operation(kind, a, b), clamp)
}

fn float_operation(kind: BinaryKind, a: f32, b: f32) -> f32 {
    match kind {
        BinaryKind::Mul => a * b,
        BinaryKind::Sub => a - b,
        BinaryKind::Div => a / b,
        BinaryKind::Min if a.is_nan() || a < b => a,
        BinaryKind::Max if a.is_nan() || a > b => a,
        BinaryKind::Min | BinaryKind::Max => b,
        BinaryKind::Pow => libm::powf(a, b),
        BinaryKind::PRelu if a < 0.0 => a * b,
        BinaryKind::PRelu => a,
        BinaryKind::Remainder => remainder(a, b),
        _ => a + b,
    }
}

/// The bits of infinity.
const INFINITY: u32 = f32::INFINITY.to_bits();

/// What is left of `a` divided by `b`, with the sign of `a`: exactly what `%` gives, in a fraction of the code. Numbers are
/// `fraction * 2^(exponent - 150)` here; the fraction of `a` goes down to the exponent of `b` by one division for each power of two.
fn remainder(a: f32, b: f32) -> f32 {
    let [sign, magnitude, limit] = [a.to_bits() & 1 << 31, a.to_bits() << 1 >> 1, b.to_bits() << 1 >> 1];
    if limit == 0 || magnitude >= INFINITY || limit > INFINITY {
        return f32::NAN;
    }
    if magnitude < limit {
        return a;
    }
    let split = |bits: u32| match bits >> 23 {
        0 => (bits, 1),
        exponent => (bits & 0x7f_ffff | 0x80_0000, exponent),
    };
    let ((fraction, exponent), (divisor, least)) = (split(magnitude), split(limit));
    let left = |fraction: u32| fraction.checked_rem(divisor).unwrap_or(0);
    let rest = (least..exponent).fold(left(fraction), |rest, _| left(rest << 1));
    if rest == 0 {
        return f32::from_bits(sign);
    }
    // The leading one goes to the place where it is left out, as far as the exponent allows.
    let shift = rest.leading_zeros().wrapping_sub(8).min(least.wrapping_sub(1));
    let exponent = least.wrapping_sub(1).wrapping_sub(shift);
    f32::from_bits(sign | (exponent << 23).wrapping_add(rest << shift))
}

/// The result of an op on 32-bit integers: sums, differences and products wrap, a division by zero gives zero.
pub fn binary_i32(kind: BinaryKind, a: i32, b: i32) -> i32 {
    match kind {
        BinaryKind::Mul => a.wrapping_mul(b),
        BinaryKind::Sub => a.wrapping_sub(b),
        BinaryKind::Div if b == 0 => 0,
        BinaryKind::Div => a.wrapping_div(b),
        BinaryKind::Remainder if b == 0 => 0,
        BinaryKind::Remainder => a.wrapping_rem(b),
        BinaryKind::Min => a.min(b),
        BinaryKind::Max => a.max(b),
        BinaryKind::And => a & b,
        BinaryKind::Or => a | b,
        BinaryKind::Xor => a ^ b,
        _ => a.wrapping_add(b),
    }
}

/// A comparison; every one of them is false with NaN.
pub fn compare<T: PartialOrd>(kind: BinaryKind, a: T, b: T) -> bool {
    match kind {
        BinaryKind::Less | BinaryKind::IntegerLess => a < b,
        BinaryKind::LessOrEqual | BinaryKind::IntegerLessOrEqual => a <= b,
        BinaryKind::Greater => a > b,
        BinaryKind::GreaterOrEqual => a >= b,
        _ => a == b,
    }
}

/// A float as an integer, cut towards zero; saturates, and NaN is 0.
pub fn truncate(x: f32) -> i32 {
    x as i32
}

/// Replaces every value by its entry; that of -128 stands first.
pub fn table(table: &[i8; 256], data: &mut [i8]) {
    for value in data {
        let index = usize::from(value.cast_unsigned() ^ 0x80);
        *value = table.get(index).copied().unwrap_or(0);
    }
}

/// Clamps every value.
pub fn clamp<T: Number>(bounds: [T; 2], data: &mut [T]) {
    for value in data {
        *value = value.clamp(bounds);
    }
}

/// `sqrt(2 / pi)`, of the hyperbolic approximation of Gelu.
const SQRT_2_OVER_PI: f32 = core::f32::consts::FRAC_2_SQRT_PI * core::f32::consts::FRAC_1_SQRT_2;

/// log(1 + e^x) without overflow: e^-|x| never exceeds 1.
fn softplus(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + libm::log1pf(libm::expf(-libm::fabsf(x)))
}

/// One float function of `x`. Transcendentals are those of the `libm` crate or equal to them, on every target.
pub fn unary(kind: UnaryKind, p: f32, q: f32, x: f32) -> f32 {
    let sigmoid = |x: f32| 1.0 / (1.0 + libm::expf(-x));
    let hard_sigmoid = |x: f32| clamp_f32(p * x + q, [0.0, 1.0]);
    match kind {
        UnaryKind::Sigmoid => sigmoid(x),
        UnaryKind::Tanh => libm::tanhf(x),
        UnaryKind::LeakyRelu => {
            if x < 0.0 {
                p * x
            } else {
                x
            }
        }
        UnaryKind::Elu => {
            if x < 0.0 {
                p * libm::expm1f(x)
            } else {
                x
            }
        }
        UnaryKind::HardSigmoid => hard_sigmoid(x),
        UnaryKind::HardSwish => x * hard_sigmoid(x),
        UnaryKind::Softplus => softplus(x),
        UnaryKind::Exp => libm::expf(x),
        UnaryKind::Log => libm::logf(x),
        UnaryKind::Sqrt => libm::sqrtf(x),
        UnaryKind::Neg => -x,
        UnaryKind::Abs => libm::fabsf(x),
        UnaryKind::Erf => libm::erff(x),
        UnaryKind::Silu => x * sigmoid(x),
        UnaryKind::Gelu => 0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2)),
        UnaryKind::Reciprocal => 1.0 / x,
        UnaryKind::Softsign => x / (1.0 + libm::fabsf(x)),
        UnaryKind::Mish => x * libm::tanhf(softplus(x)),
        UnaryKind::GeluTanh => 0.5 * x * (1.0 + libm::tanhf(SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x))),
        UnaryKind::Floor => libm::floorf(x),
        UnaryKind::Ceil => libm::ceilf(x),
        UnaryKind::Round => libm::rintf(x),
        UnaryKind::Selu if x > 0.0 => q * x,
        UnaryKind::Selu => q * (p * libm::expm1f(x)),
        UnaryKind::Celu if x > 0.0 => x,
        UnaryKind::Celu => p * libm::expm1f(x / p),
        UnaryKind::ThresholdedRelu if x > p => x,
        UnaryKind::ThresholdedRelu => 0.0,
        UnaryKind::Sin => angle::sin(x),
        UnaryKind::Cos => angle::cos(x),
        UnaryKind::Sign if x > 0.0 => 1.0,
        UnaryKind::Sign if x < 0.0 => -1.0,
        UnaryKind::Sign => x,
        UnaryKind::Tan => angle::tan(x),
        UnaryKind::Asin => libm::asinf(x),
        UnaryKind::Acos => libm::acosf(x),
        UnaryKind::Atan => libm::atanf(x),
        UnaryKind::Sinh => libm::sinhf(x),
        UnaryKind::Cosh => libm::coshf(x),
        UnaryKind::Asinh => libm::asinhf(x),
        UnaryKind::Acosh => libm::acoshf(x),
        UnaryKind::Atanh => libm::atanhf(x),
        // `UnaryKind` grows with the format; the parser refuses kinds this version does not know.
        _ => x,
    }
}

/// `saturate(round(x / scale) + zero_point)`, rounding half to even or half away from zero. NaN gives the zero point.
pub fn quantize(x: f32, scale: f32, zero_point: i32, half_away: bool) -> i8 {
    quantize_within(x, scale, zero_point, half_away, [-128, 127]) as i8
}

/// The same to 16 bits.
pub fn quantize_wide(x: f32, scale: f32, zero_point: i32, half_away: bool) -> i16 {
    quantize_within(x, scale, zero_point, half_away, [-32768, 32767]) as i16
}

fn quantize_within(x: f32, scale: f32, zero_point: i32, half_away: bool, range: [i32; 2]) -> i32 {
    let value = x / scale;
    let [low, high] = range;
    if value.is_nan() {
        return zero_point.max(low).min(high);
    }
    let rounded = if half_away { libm::roundf(value) } else { value };
    round_and_clamp(rounded, zero_point, range)
}

/// `(q - zero_point) * scale`.
pub fn dequantize(q: i8, scale: f32, zero_point: i32) -> f32 {
    (i32::from(q) - zero_point) as f32 * scale
}

/// The same of 16 bits.
pub fn dequantize_wide(q: i16, scale: f32, zero_point: i32) -> f32 {
    (i32::from(q) - zero_point) as f32 * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantize_rounds_as_its_home_does() {
        let cases = [(0.5, 0, 1), (1.5, 2, 2), (2.5, 2, 3), (-0.5, 0, -1), (-2.5, -2, -3)];
        for (x, even, away) in cases {
            assert_eq!(quantize(x, 1.0, 0, false), even, "{x}");
            assert_eq!(quantize(x, 1.0, 0, true), away, "{x}");
        }
        assert_eq!(quantize(f32::NAN, 1.0, -7, false), -7);
        assert_eq!(quantize(f32::INFINITY, 1.0, -7, true), 127);
        assert_eq!(quantize(f32::MIN, 1e-30, -7, false), -128);
    }

    #[test]
    fn the_remainder_is_that_of_the_language() {
        let ends = [
            0,
            1,
            2,
            3,
            0x7f_ffff,
            0x80_0000,
            0x80_0001,
            0x3f80_0000,
            0x4040_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
        ];
        let signed = ends.into_iter().flat_map(|bits| [bits, bits | 1 << 31]);
        let mut state = 1u64;
        let random = core::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        });
        // Any two, and two whose exponents are near.
        let all: std::vec::Vec<u32> = signed.chain(random.take(600)).collect();
        let near = |bits: u32, to: u32| bits & 0x81ff_ffff | to & 0x7e00_0000;
        for &a in &all {
            for b in all.iter().flat_map(|&b| [b, near(b, a)]) {
                let [a, b] = [a, b].map(f32::from_bits);
                let (got, expected) = (remainder(a, b), a % b);
                assert!(
                    got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
                    "{a:e} % {b:e}: {got:e}"
                );
            }
        }
    }

    #[test]
    fn table_entry_of_the_lowest_value_stands_first() {
        let entries: [i8; 256] = core::array::from_fn(|index| (index as i32 - 128) as i8);
        let mut data = [-128, -1, 0, 127];
        table(&entries, &mut data);
        assert_eq!(data, [-128, -1, 0, 127]);
    }
}
