//! Functions of one number with their derivatives.

use bantam_tools::graph::ops::Unary;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// The derivative of a function at `x`, in f32; none where it is zero almost everywhere.
pub(super) fn derivative(unary: Unary) -> Option<fn(Unary, f32) -> f32> {
    let slope: fn(Unary, f32) -> f32 = match unary {
        Unary::Sigmoid => |_, x| sigmoid(x) * sigmoid(-x),
        Unary::Tanh => |_, x| 1.0 - libm::tanhf(x).powi(2),
        Unary::HardSwish => |_, x| {
            if x <= -3.0 {
                0.0
            } else if x >= 3.0 {
                1.0
            } else {
                x / 3.0 + 0.5
            }
        },
        Unary::HardSigmoid { .. } => |unary, x| match unary {
            Unary::HardSigmoid { alpha, beta } if (0.0..=1.0).contains(&(alpha * x + beta)) => alpha,
            _ => 0.0,
        },
        Unary::Elu { .. } => |unary, x| match unary {
            Unary::Elu { alpha } if x < 0.0 => alpha * libm::expf(x),
            _ => 1.0,
        },
        Unary::LeakyRelu { .. } => |unary, x| match unary {
            Unary::LeakyRelu { alpha } if x < 0.0 => alpha,
            _ => 1.0,
        },
        Unary::Exp => |_, x| libm::expf(x),
        Unary::Log => |_, x| 1.0 / x,
        Unary::Sqrt => |_, x| 0.5 / libm::sqrtf(x),
        Unary::Rsqrt => |_, x| -0.5 / (x * libm::sqrtf(x)),
        Unary::Reciprocal => |_, x| -1.0 / (x * x),
        Unary::Neg => |_, _| -1.0,
        Unary::Abs => |_, x| if x < 0.0 { -1.0 } else { 1.0 },
        Unary::Erf => |_, x| std::f32::consts::FRAC_2_SQRT_PI * libm::expf(-x * x),
        Unary::Gelu => |_, x| {
            let cumulative = 0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2));
            cumulative + x * libm::expf(-0.5 * x * x) * FRAC_1_SQRT_TAU
        },
        Unary::GeluTanh => |_, x| {
            let factor = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
            let tanh = libm::tanhf(factor * (x + 0.044_715 * x * x * x));
            0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * factor * (1.0 + 3.0 * 0.044_715 * x * x)
        },
        Unary::Softplus => |_, x| sigmoid(x),
        Unary::Softsign => |_, x| 1.0 / (1.0 + x.abs()).powi(2),
        Unary::Silu => |_, x| sigmoid(x) * (1.0 + x * sigmoid(-x)),
        Unary::Mish => |_, x| {
            let tanh = libm::tanhf(Unary::Softplus.apply(x));
            tanh + x * (1.0 - tanh * tanh) * sigmoid(x)
        },
        Unary::Sin => |_, x| libm::cosf(x),
        Unary::Cos => |_, x| -libm::sinf(x),
        Unary::Tan => |_, x| 1.0 + libm::tanf(x).powi(2),
        Unary::Asin => |_, x| 1.0 / libm::sqrtf(1.0 - x * x),
        Unary::Acos => |_, x| -1.0 / libm::sqrtf(1.0 - x * x),
        Unary::Atan => |_, x| 1.0 / (1.0 + x * x),
        Unary::Sinh => |_, x| libm::coshf(x),
        Unary::Cosh => |_, x| libm::sinhf(x),
        Unary::Asinh => |_, x| 1.0 / libm::sqrtf(x * x + 1.0),
        Unary::Acosh => |_, x| 1.0 / libm::sqrtf(x * x - 1.0),
        Unary::Atanh => |_, x| 1.0 / (1.0 - x * x),
        // Floor, Ceil, Round and Sign, and what has no derivative here yet.
        _ => return None,
    };
    Some(slope)
}

/// 1 / sqrt(2 pi).
const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;

fn sigmoid(x: f32) -> f32 {
    Unary::Sigmoid.apply(x)
}

/// The function of every element.
pub(super) fn apply(unary: Unary, operand: &Tensor) -> Result<Tensor> {
    operand.contiguous()?.apply_op1(Pointwise { unary })
}

struct Pointwise {
    unary: Unary,
}

impl CustomOp1 for Pointwise {
    fn name(&self) -> &'static str {
        self.unary.name()
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        map(storage, layout, |x| self.unary.apply(x))
    }

    fn bwd(&self, operand: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        operand.apply_op1_no_bwd(&Slope { unary: self.unary })?.mul(gradient).map(Some)
    }
}

struct Slope {
    unary: Unary,
}

impl CustomOp1 for Slope {
    fn name(&self) -> &'static str {
        "slope"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let slope = derivative(self.unary).unwrap_or(|_, _| 0.0);
        map(storage, layout, |x| slope(self.unary, x))
    }
}

fn map(storage: &CpuStorage, layout: &Layout, function: impl Fn(f32) -> f32) -> Result<(CpuStorage, Shape)> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("functions are applied to contiguous tensors")
    };
    let items = storage.as_slice::<f32>()?[start..end].iter().map(|&x| function(x)).collect();
    Ok((CpuStorage::F32(items), layout.shape().clone()))
}
