//! Sliding windows over height and width, shared by convolutions and pooling.

use crate::bytes::record;
use crate::check::ensure;
use crate::overlap::RowWindow;
use crate::{LoadError, Op, Tensor};

record! {
    /// A window of `kernel` taps, `dilation` apart, moved by `stride`. Padding after the input follows from the
    /// output's size. Each pair is height, then width.
    pub struct Window {
        /// Taps from top to bottom.
        pub kernel_height: u16,
        /// Taps from left to right.
        pub kernel_width: u16,
        /// Rows from one window to the next.
        pub stride_height: u16,
        /// Columns from one window to the next.
        pub stride_width: u16,
        /// Rows from one tap to the next.
        pub dilation_height: u16,
        /// Columns from one tap to the next.
        pub dilation_width: u16,
        /// Rows of padding above the input.
        pub pad_top: u16,
        /// Columns of padding left of the input.
        pub pad_left: u16,
    }
}

/// Input positions from the first to the last tap, inclusive.
fn extent(kernel: u16, dilation: u16) -> usize {
    usize::from(kernel).saturating_sub(1).saturating_mul(usize::from(dilation)).saturating_add(1)
}

impl Window {
    /// Taps of one window.
    pub fn taps(&self) -> usize {
        usize::from(self.kernel_height).saturating_mul(usize::from(self.kernel_width))
    }

    /// The geometry of rows for a tensor pair of rank 4; one image of the batch.
    pub fn rows(&self, input: &Tensor, output: &Tensor) -> RowWindow {
        let row_bytes = |tensor: &Tensor| {
            tensor.shape.dimension(2).saturating_mul(tensor.shape.dimension(3)).saturating_mul(tensor.data_type.bytes())
        };
        RowWindow {
            input_rows: input.shape.dimension(1),
            output_rows: output.shape.dimension(1),
            extent: extent(self.kernel_height, self.dilation_height),
            stride: usize::from(self.stride_height),
            pad: usize::from(self.pad_top),
            input_row_bytes: row_bytes(input),
            output_row_bytes: row_bytes(output),
        }
    }

    /// Rules 80 to 82 for an input and an output of `[height, width]`.
    pub(crate) fn check(&self, op: &Op<'_>, input: [usize; 2], output: [usize; 2]) -> Result<(), LoadError> {
        let axes = [
            (self.kernel_height, self.stride_height, self.dilation_height, self.pad_top, input[0], output[0]),
            (self.kernel_width, self.stride_width, self.dilation_width, self.pad_left, input[1], output[1]),
        ];
        for (kernel, stride, dilation, pad, input, output) in axes {
            ensure(kernel > 0 && stride > 0 && dilation > 0, LoadError::WindowZero { op: op.index })?;
            ensure(usize::from(pad) < extent(kernel, dilation), LoadError::WindowPadding { op: op.index })?;
            let last_start = output.saturating_sub(1).saturating_mul(usize::from(stride));
            ensure(last_start < input.saturating_add(usize::from(pad)), LoadError::WindowOutput { op: op.index })?;
        }
        Ok(())
    }
}
