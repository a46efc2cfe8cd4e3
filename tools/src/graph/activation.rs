//! The clamp that follows an operator.

/// A clamp of an operator's result to `min..=max`. [`Activation::NONE`] lets everything through;
/// rectifiers are the clamps they amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// The smallest result; negative infinity where there is no lower bound.
    pub min: f32,
    /// The largest result; positive infinity where there is no upper bound.
    pub max: f32,
}

impl Activation {
    /// No clamp.
    pub const NONE: Self = Self { min: f32::NEG_INFINITY, max: f32::INFINITY };
    /// max(x, 0).
    pub const RELU: Self = Self { min: 0.0, max: f32::INFINITY };
    /// min(max(x, 0), 6).
    pub const RELU6: Self = Self { min: 0.0, max: 6.0 };

    /// Whether every number passes unchanged.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.min == f32::NEG_INFINITY && self.max == f32::INFINITY
    }

    /// The clamped number. A NaN stays a NaN. Where `min > max`, the result is `max`.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        let raised = if x < self.min { self.min } else { x };
        if raised > self.max { self.max } else { raised }
    }

    /// The one clamp that equals this clamp followed by `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self { min: next.apply(self.min), max: next.apply(self.max) }
    }
}

impl Default for Activation {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_clamp_equals_two_clamps() {
        let clamps = [
            Activation::NONE,
            Activation::RELU,
            Activation::RELU6,
            Activation { min: -1.0, max: 1.0 },
            Activation { min: 7.0, max: 9.0 },
        ];
        for first in clamps {
            for second in clamps {
                for x in [-10.0f32, -1.0, -0.5, 0.0, 0.5, 6.0, 6.5, 8.0, 100.0] {
                    let two = second.apply(first.apply(x));
                    assert_eq!(first.then(second).apply(x), two, "{first:?} {second:?} {x}");
                }
            }
        }
    }
}
