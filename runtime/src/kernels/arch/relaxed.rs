//! How an engine multiplies bytes in relaxed SIMD: the standard leaves it open where the second operand's top bit is
//! set. Which of the ways it is shows in a few products; only exact ones are used.

/// A way to multiply groups of four bytes that is exact for all bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Both operands signed.
    Signed,
    /// The second operand unsigned.
    Unsigned,
}

/// Four products per lane: `sums + first * second`.
pub type Dot<'a> = &'a dyn Fn([i8; 16], [u8; 16], [i32; 4]) -> [i32; 4];

// The largest and the smallest sums of pairs in either regime, and unlike bytes in every place.
const FIRST: [i8; 16] = [127, 127, 127, 127, -128, -128, -128, -128, 1, -2, 3, -4, 127, -128, -128, 127];
const SECOND: [u8; 16] = [255, 255, 255, 255, 128, 128, 128, 128, 200, 100, 150, 250, 255, 128, 255, 128];
const SUMS: [i32; 4] = [1, -1, 1 << 20, -(1 << 20)];

/// What comes out of these in a regime; constants alone are made by it.
#[allow(clippy::indexing_slicing)]
const fn expected(regime: Regime) -> [i32; 4] {
    let (mut sums, mut at) = (SUMS, 0);
    while at < FIRST.len() {
        let second = match regime {
            Regime::Signed => SECOND[at].cast_signed() as i32,
            Regime::Unsigned => SECOND[at] as i32,
        };
        sums[at / 4] += FIRST[at] as i32 * second;
        at += 1;
    }
    sums
}

/// The regime of an instruction; `None` where it is not exact (pairs saturate at 16 bits).
pub fn probe(dot: impl Fn([i8; 16], [u8; 16], [i32; 4]) -> [i32; 4]) -> Option<Regime> {
    const SIGNED: [i32; 4] = expected(Regime::Signed);
    const UNSIGNED: [i32; 4] = expected(Regime::Unsigned);
    match dot(FIRST, SECOND, SUMS) {
        SIGNED => Some(Regime::Signed),
        UNSIGNED => Some(Regime::Unsigned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instruction with each pair's sum passed through `pair`.
    fn model(value: fn(u8) -> i32, pair: fn(i32) -> i32) -> Option<Regime> {
        probe(|first, second, mut sums| {
            let products: std::vec::Vec<i32> =
                first.iter().zip(second).map(|(&a, b)| i32::from(a) * value(b)).collect();
            for (sum, group) in sums.iter_mut().zip(products.as_chunks::<4>().0) {
                *sum += pair(group[0] + group[1]) + pair(group[2] + group[3]);
            }
            sums
        })
    }

    #[test]
    fn the_three_regimes_of_engines_are_told_apart() {
        let signed = |byte: u8| i32::from(byte.cast_signed());
        let saturate = |sum: i32| sum.clamp(-32768, 32767);
        assert_eq!(model(signed, |sum| sum), Some(Regime::Signed));
        assert_eq!(model(i32::from, |sum| sum), Some(Regime::Unsigned));
        assert_eq!(model(i32::from, saturate), None);
        assert_eq!(model(signed, saturate), None);
        assert_eq!(model(signed, |sum| i32::from(sum as i16)), None);
    }
}
