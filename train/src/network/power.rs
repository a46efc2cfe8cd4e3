//! Powers, whose base and exponent may both be trained.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// The first operand to the power of the second.
pub(super) fn power(base: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    let shaped = |own: &Tensor, other: &Tensor| own.broadcast_add(&other.detach().zeros_like()?)?.contiguous();
    shaped(base, exponent)?.apply_op2(&shaped(exponent, base)?, Power::Value)
}

/// A power, or what it changes by with one of its operands. Below nought there is no slope by the exponent.
#[derive(Clone, Copy)]
enum Power {
    Value,
    ByBase,
    ByExponent,
}

impl Power {
    fn of(self, base: f32, exponent: f32) -> f32 {
        match self {
            Self::Value => libm::powf(base, exponent),
            Self::ByBase if exponent == 0.0 => 0.0,
            Self::ByBase => exponent * libm::powf(base, exponent - 1.0),
            Self::ByExponent if base > 0.0 => libm::powf(base, exponent) * libm::logf(base),
            Self::ByExponent => 0.0,
        }
    }
}

impl CustomOp2 for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (Some((a, a_end)), Some((b, b_end))) = (l1.contiguous_offsets(), l2.contiguous_offsets()) else {
            bail!("powers are of contiguous tensors")
        };
        let (bases, exponents) = (&s1.as_slice::<f32>()?[a..a_end], &s2.as_slice::<f32>()?[b..b_end]);
        let items = bases.iter().zip(exponents).map(|(&base, &exponent)| self.of(base, exponent)).collect();
        Ok((CpuStorage::F32(items), l1.shape().clone()))
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let by = |part: Self| a.apply_op2_no_bwd(b, &part)?.mul(gradient).map(Some);
        Ok((by(Self::ByBase)?, by(Self::ByExponent)?))
    }
}
