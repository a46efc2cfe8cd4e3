//! Two-dimensional pooling, channels last.

use super::convolution::output_extent;
use super::{Facts, Padding, ShapeError, one};
use crate::graph::Activation;
use crate::tensor::DataType;

/// Maximum over windows of an NHWC activation; the attributes are those of every pooling.
///
/// Operand: `[n, h, w, c]`. Result: `[n, oh, ow, c]`. Padded positions never count, and every
/// window has at least one position that does.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// Step between windows, down and right.
    pub stride: [usize; 2],
    /// Distance between the positions of a window, down and right.
    pub dilation: [usize; 2],
    /// Positions around the activation.
    pub padding: Padding,
    /// Clamp of the result.
    pub activation: Activation,
}

impl Pool2d {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let [batch, height, width, channels] = one(operands)?.expect_f32_rank4("the activation")?;
        let Padding { top, left, bottom, right } = self.padding;
        let input = [height, width];
        let padding = [[top, bottom], [left, right]];
        let extent = output_extent(input, self.kernel, self.stride, self.dilation, padding)?;
        for axis in 0..2 {
            let window = (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]);
            let [before, after] = padding[axis];
            let last_start = (extent[axis] - 1).saturating_mul(self.stride[axis]);
            // The first window must reach the input, the last must start before its end, and taps
            // must not step over it.
            if before > window
                || last_start >= before.saturating_add(input[axis])
                || (self.dilation[axis] > input[axis] && (before, after) != (0, 0))
            {
                return Err(ShapeError::Attribute {
                    attribute: "padding",
                    got: format!("{:?}", padding[axis]),
                    expected: "which leaves a window without any input",
                });
            }
        }
        Facts::new(vec![batch, extent[0], extent[1], channels], DataType::F32)
    }
}

/// Mean over windows of an NHWC activation.
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePool2d {
    /// Windows and clamp.
    pub pool: Pool2d,
    /// Whether padded positions count as zeros; otherwise the mean is over real positions only.
    pub count_include_pad: bool,
}
