//! Sine, cosine and tangent of 32-bit floats as `libm` has them, in a quarter of the code.
//!
//! The polynomials are those of `libm` (FreeBSD's `k_sinf.c`, `k_cosf.c`, `k_tanf.c`) on the remainder in 64-bit floats.
//! What differs is how the remainder of a large angle is found: in integers, with a window of the bits of 2 / pi. All
//! floats up to 2^27 pi were compared once: the results are equal. Beyond, one in some hundred millions is rounded better.

/// The first bits of 2 / pi behind the point.
const TWO_OVER_PI: [u32; 7] =
    [0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab];

/// How many quarter turns an angle is nearest to, modulo 4, and the rest.
fn quarters(x: f32) -> (u32, f64) {
    use core::f64::consts::{FRAC_2_PI, FRAC_PI_2};
    /// Adding it rounds to an integer.
    const ROUND: f64 = 1.5 / f64::EPSILON;
    /// The first 25 bits of pi / 2, and what is left of it.
    const HEAD: f64 = 1.570_796_310_901_641_8;
    const TAIL: f64 = 1.589_325_477_352_819_6e-8;
    let wide = f64::from(x);
    let bits = x.to_bits() & 0x7fff_ffff;
    if bits < 0x4dc9_0fdb {
        let turns = wide * FRAC_2_PI + ROUND - ROUND;
        let near = bits <= 0x40e2_31d5;
        let rest = if near { wide - turns * FRAC_PI_2 } else { wide - turns * HEAD - turns * TAIL };
        return (turns as i32 as u32, rest);
    }
    if bits >= 0x7f80_0000 {
        return (0, f64::NAN);
    }
    let mantissa = u64::from((bits & 0x7f_ffff) | 0x80_0000);
    // Bits further up stand for multiples of whole turns.
    let first = (bits >> 23) - 152;
    let word = |index: u32| u64::from(TWO_OVER_PI.get((first / 32 + index) as usize).copied().unwrap_or(0));
    let (high, low) = ((word(0) << 32) | word(1), (word(2) << 32) | word(3));
    let shift = first % 32;
    let window = (high << shift) | (low >> 1 >> (63 - shift));
    let product = mantissa.wrapping_mul(window).wrapping_add((mantissa * (low << shift >> 32)) >> 32);
    let rest = (product << 2).cast_signed() as f64 * (FRAC_PI_2 / 18_446_744_073_709_551_616.0);
    let turns = ((product >> 61) as u32).wrapping_add(1) >> 1;
    if x < 0.0 { (turns.wrapping_neg(), -rest) } else { (turns, rest) }
}

fn sine(x: f64) -> f32 {
    let (z, w) = (x * x, x * x * (x * x));
    let r = -0.000_198_393_348_360_966_32 + z * 2.718_311_493_989_822e-6;
    let s = z * x;
    ((x + s * (-0.166_666_666_416_265_24 + z * 0.008_333_329_385_889_463)) + s * w * r) as f32
}

fn cosine(x: f64) -> f32 {
    let (z, w) = (x * x, x * x * (x * x));
    let r = -0.001_388_676_377_460_993 + z * 2.439_044_879_627_741e-5;
    (((1.0 + z * -0.499_999_997_251_031) + w * 0.041_666_623_323_739_06) + (w * z) * r) as f32
}

/// The sine of an angle a number of quarter turns on.
fn sine_at(turns: u32, rest: f64) -> f32 {
    match turns & 3 {
        0 => sine(rest),
        1 => cosine(rest),
        2 => sine(-rest),
        _ => -cosine(rest),
    }
}

/// The sine of `x`.
pub fn sin(x: f32) -> f32 {
    if x.to_bits() & 0x7fff_ffff < 0x3980_0000 {
        return x;
    }
    let (turns, rest) = quarters(x);
    sine_at(turns, rest)
}

/// The cosine of `x`.
pub fn cos(x: f32) -> f32 {
    let (turns, rest) = quarters(x);
    sine_at(turns.wrapping_add(1), rest)
}

/// The tangent of `x`.
pub fn tan(x: f32) -> f32 {
    if x.to_bits() & 0x7fff_ffff < 0x3980_0000 {
        return x;
    }
    let (turns, x) = quarters(x);
    let (z, w) = (x * x, x * x * (x * x));
    let r = 0.002_974_357_433_599_673 + z * 0.009_465_647_849_436_732;
    let t = 0.053_381_237_844_567_04 + z * 0.024_528_318_116_654_728;
    let s = z * x;
    let u = 0.333_331_395_030_791_4 + z * 0.133_392_002_712_976_74;
    let r = (x + s * u) + (s * w) * (t + w * r);
    (if turns & 1 == 1 { -1.0 / r } else { r }) as f32
}

#[cfg(test)]
mod tests {
    /// Some thousand of all magnitudes.
    #[test]
    fn functions_equal_those_of_libm() {
        for bits in (0..0x7fc0_0000_u32).step_by(200_003).flat_map(|bits| [bits, bits | 0x8000_0000]) {
            let x = f32::from_bits(bits);
            let pairs =
                [(super::sin(x), libm::sinf(x)), (super::cos(x), libm::cosf(x)), (super::tan(x), libm::tanf(x))];
            for (own, expected) in pairs {
                assert!(own.to_bits() == expected.to_bits() || own.is_nan() && expected.is_nan(), "{x:e}");
            }
        }
    }
}
