//! Functions of one number.

use crate::graph::ops::Unary;

impl Unary {
    /// The function at `x`, in f32.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => libm::tanhf(x),
            Self::HardSwish => x * (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Elu { alpha } => {
                if x >= 0.0 {
                    x
                } else {
                    alpha * libm::expm1f(x)
                }
            }
            Self::LeakyRelu { alpha } => {
                if x >= 0.0 {
                    x
                } else {
                    alpha * x
                }
            }
            Self::Exp => libm::expf(x),
            Self::Log => libm::logf(x),
            Self::Sqrt => libm::sqrtf(x),
            Self::Rsqrt => 1.0 / libm::sqrtf(x),
            Self::Reciprocal => 1.0 / x,
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Erf => libm::erff(x),
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                // sqrt(2 / pi) = 2 / sqrt(pi) / sqrt(2)
                let factor = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
                0.5 * x * (1.0 + libm::tanhf(factor * (x + 0.044_715 * x * x * x)))
            }
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Silu => x * sigmoid(x),
            Self::Mish => x * libm::tanhf(softplus(x)),
            Self::Floor => libm::floorf(x),
            Self::Ceil => libm::ceilf(x),
            Self::Round => libm::rintf(x),
            Self::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }
            Self::Sin => libm::sinf(x),
            Self::Cos => libm::cosf(x),
            Self::Tan => libm::tanf(x),
            Self::Asin => libm::asinf(x),
            Self::Acos => libm::acosf(x),
            Self::Atan => libm::atanf(x),
            Self::Sinh => libm::sinhf(x),
            Self::Cosh => libm::coshf(x),
            Self::Asinh => libm::asinhf(x),
            Self::Acosh => libm::acoshf(x),
            Self::Atanh => libm::atanhf(x),
        }
    }
}

/// The exponential never overflows: its argument is not positive.
fn sigmoid(x: f32) -> f32 {
    let small = libm::expf(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each function against its definition in f64, over a grid.
    #[test]
    fn functions_follow_their_definitions() {
        type Definition = fn(f64) -> f64;
        let logistic: Definition = |x| 1.0 / (1.0 + (-x).exp());
        let cases: [(Unary, Definition); 13] = [
            (Unary::Sigmoid, logistic),
            (Unary::Tanh, f64::tanh),
            (Unary::HardSwish, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            (Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }, |x| (0.2 * x + 0.5).clamp(0.0, 1.0)),
            (Unary::Elu { alpha: 1.5 }, |x| if x > 0.0 { x } else { 1.5 * (x.exp() - 1.0) }),
            (Unary::LeakyRelu { alpha: 0.1 }, |x| if x > 0.0 { x } else { 0.1 * x }),
            (Unary::Softplus, |x| (1.0 + x.exp()).ln()),
            (Unary::Softsign, |x| x / (1.0 + x.abs())),
            (Unary::Silu, |x| x / (1.0 + (-x).exp())),
            (Unary::Mish, |x| x * (1.0 + x.exp()).ln().tanh()),
            (Unary::Gelu, |x| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))),
            (Unary::GeluTanh, |x| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044715 * x * x * x)).tanh())),
            (Unary::Neg, |x| -x),
        ];
        for (unary, definition) in cases {
            for step in -200..=200 {
                let x = step as f32 / 20.0;
                let (got, expected) = (f64::from(unary.apply(x)), definition(f64::from(x)));
                let close = 1e-6 * expected.abs().max(1.0);
                assert!((got - expected).abs() <= close, "{unary:?}({x}) = {got}, not {expected}");
            }
        }
    }

    #[test]
    fn halves_round_to_even_and_extremes_stay_finite() {
        assert_eq!([0.5, 1.5, -2.5].map(|x| Unary::Round.apply(x)), [0.0, 2.0, -2.0]);
        assert_eq!(Unary::Sigmoid.apply(-200.0), 0.0);
        assert_eq!(Unary::Softplus.apply(200.0), 200.0);
    }
}
