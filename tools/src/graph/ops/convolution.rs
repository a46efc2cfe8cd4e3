//! Two-dimensional convolution, channels last.

use super::{Facts, ShapeError};
use crate::graph::Activation;
use crate::tensor::DataType;

/// Zeros (or, for pooling, positions that do not count) around an image, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self { top: 0, left: 0, bottom: 0, right: 0 };

    /// Whether nothing is padded.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// Convolution of an NHWC activation with OHWI weights.
///
/// Operands: activation `[n, h, w, c]`, weights `[out, kh, kw, c / groups]`, and optionally a bias
/// `[out]`. Result: `[n, oh, ow, out]`. Depthwise convolution is `groups == c`, with weights
/// `[out, kh, kw, 1]`; output channel `o` reads the input channels of group `o / (out / groups)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// Step between windows, down and right.
    pub stride: [usize; 2],
    /// Distance between the taps of a window, down and right.
    pub dilation: [usize; 2],
    /// Zeros around the activation.
    pub padding: Padding,
    /// Number of channel groups.
    pub groups: usize,
    /// Clamp of the result.
    pub activation: Activation,
}

impl Conv2d {
    /// Whether each group has one input channel, for an activation of `channels` channels.
    #[must_use]
    pub fn is_depthwise(&self, channels: usize) -> bool {
        self.groups == channels && channels > 1
    }

    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let (activation, weights, bias) = match operands {
            [activation, weights] => (activation, weights, None),
            [activation, weights, bias] => (activation, weights, Some(bias)),
            _ => {
                return Err(ShapeError::OperandCount { expected: "two or three", got: operands.len() });
            }
        };
        let [batch, height, width, channels] = activation.expect_f32_rank4("the activation")?;
        let [out, kernel_height, kernel_width, group_channels] = weights.expect_f32_rank4("the weights")?;
        if self.groups == 0 || !channels.is_multiple_of(self.groups) || !out.is_multiple_of(self.groups) {
            return Err(ShapeError::Attribute {
                attribute: "groups",
                got: self.groups.to_string(),
                expected: "which must divide the input and output channels",
            });
        }
        if channels / self.groups != group_channels {
            return Err(ShapeError::Shape {
                operand: "the weights (out, height, width, in / groups)",
                expected: vec![out, kernel_height, kernel_width, channels / self.groups],
                got: weights.shape.clone(),
            });
        }
        if let Some(bias) = bias {
            bias.expect_type("the bias", DataType::F32)?;
            bias.expect_shape("the bias", &[out])?;
        }
        let Padding { top, left, bottom, right } = self.padding;
        let [out_height, out_width] = output_extent(
            [height, width],
            [kernel_height, kernel_width],
            self.stride,
            self.dilation,
            [[top, bottom], [left, right]],
        )?;
        Facts::new(vec![batch, out_height, out_width, out], DataType::F32)
    }
}

/// Transposed convolution: every position of an NHWC activation adds its multiple of a window to the result.
///
/// Operands: activation `[n, h, w, c]`, weights `[out, kh, kw, c / groups]`, and optionally a bias `[out]`. Result:
/// `[n, oh, ow, out]` with `oh = (h - 1) * stride + (kh - 1) * dilation + 1 + output_padding - top - bottom`. Output
/// channel `o` reads the input channels of group `o / (out / groups)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Step between windows in the result, down and right.
    pub stride: [usize; 2],
    /// Distance between the taps of a window, down and right.
    pub dilation: [usize; 2],
    /// What is cut off the result.
    pub padding: Padding,
    /// What is added to the result below and to the right, before cutting.
    pub output_padding: [usize; 2],
    /// Number of channel groups.
    pub groups: usize,
    /// Clamp of the result.
    pub activation: Activation,
}

impl ConvTranspose2d {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let [activation, weights, ..] = operands else {
            return Err(ShapeError::OperandCount { expected: "two or three", got: operands.len() });
        };
        let [batch, height, width, _] = activation.expect_f32_rank4("the activation")?;
        let [out, kernel_height, kernel_width, _] = weights.expect_f32_rank4("the weights")?;
        // Operands and channels follow the rules of a convolution.
        let unpadded = Conv2d {
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding { top: kernel_height, left: kernel_width, ..Padding::NONE },
            groups: self.groups,
            activation: Activation::NONE,
        };
        unpadded.infer(operands)?;
        let Padding { top, left, bottom, right } = self.padding;
        let mut extent = [0; 2];
        for (axis, (size, kernel, cut)) in
            [(height, kernel_height, top.saturating_add(bottom)), (width, kernel_width, left.saturating_add(right))]
                .into_iter()
                .enumerate()
        {
            for (attribute, value) in [("stride", self.stride[axis]), ("dilation", self.dilation[axis])] {
                if value == 0 {
                    return Err(ShapeError::Attribute {
                        attribute,
                        got: "0".into(),
                        expected: "which must be at least 1",
                    });
                }
            }
            let window = (kernel - 1).saturating_mul(self.dilation[axis]).saturating_add(1);
            let whole = size
                .checked_sub(1)
                .map(|steps| steps.saturating_mul(self.stride[axis]))
                .map(|steps| steps.saturating_add(window).saturating_add(self.output_padding[axis]));
            extent[axis] = whole
                .and_then(|whole| whole.checked_sub(cut))
                .filter(|&size| size > 0)
                .ok_or(ShapeError::Window { window: cut, input: whole.unwrap_or(0) })?;
        }
        Facts::new(vec![batch, extent[0], extent[1], out], DataType::F32)
    }
}

/// Rows and columns that windows over a padded image yield.
pub(super) fn output_extent(
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Result<[usize; 2], ShapeError> {
    let mut extent = [0; 2];
    for (axis, result) in extent.iter_mut().enumerate() {
        for (attribute, value) in [("kernel", kernel[axis]), ("stride", stride[axis]), ("dilation", dilation[axis])] {
            if value == 0 {
                return Err(ShapeError::Attribute { attribute, got: "0".into(), expected: "which must be at least 1" });
            }
        }
        let padded = input[axis].saturating_add(padding[axis][0]).saturating_add(padding[axis][1]);
        let window = (kernel[axis] - 1).saturating_mul(dilation[axis]).saturating_add(1);
        if window > padded {
            return Err(ShapeError::Window { window, input: padded });
        }
        *result = (padded - window) / stride[axis] + 1;
    }
    Ok(extent)
}
