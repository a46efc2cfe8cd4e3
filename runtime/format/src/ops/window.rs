//! Sliding windows over height and width, shared by convolutions and pooling.

use crate::bytes::record;
use crate::check::ensure;
use crate::overlap::{LINE_BUFFER_ELEMENTS, RowWindow};
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

/// Whether two tensors of rank 4 have the same height and width.
fn same_image(input: &Tensor, output: &Tensor) -> bool {
    let image = |tensor: &Tensor| [tensor.shape.dimension(1), tensor.shape.dimension(2)];
    image(input) == image(output)
}

impl Window {
    /// Taps of one window.
    pub fn taps(&self) -> usize {
        usize::from(self.kernel_height).saturating_mul(usize::from(self.kernel_width))
    }

    /// Whether each output pixel needs the input pixel of the same number and nothing else. Then rows are of one pixel.
    pub fn is_pointwise(&self, input: &Tensor, output: &Tensor) -> bool {
        self.taps() == 1 && self.stride_height == 1 && self.stride_width == 1 && same_image(input, output)
    }

    /// The geometry of rows for a tensor pair of rank 4; one image of the batch.
    pub fn rows(&self, input: &Tensor, output: &Tensor) -> RowWindow {
        if self.is_pointwise(input, output) {
            let pixels = input.shape.dimension(1).saturating_mul(input.shape.dimension(2));
            let bytes = |tensor: &Tensor| tensor.shape.dimension(3).saturating_mul(tensor.data_type.bytes());
            RowWindow::alike(pixels, bytes(input), bytes(output))
        } else {
            self.image_rows(input, output)
        }
    }

    /// The same where the window lies on the output, as that of a transposed convolution.
    pub fn spreading_rows(&self, input: &Tensor, output: &Tensor) -> RowWindow {
        if self.pad_top == 0 && self.pad_left == 0 && self.is_pointwise(input, output) {
            self.rows(input, output)
        } else {
            RowWindow { transposed: true, ..self.image_rows(input, output) }
        }
    }

    /// Rows as wide as the image.
    fn image_rows(&self, input: &Tensor, output: &Tensor) -> RowWindow {
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
            transposed: false,
        }
    }

    /// Whether a depthwise convolution can overwrite its input channel by channel: equal shapes, one window per
    /// position, and the rows it must set aside, from the first one a window reads to its own, are few.
    pub fn keeps_few_rows(&self, input: &Tensor, output: &Tensor) -> bool {
        let kept = usize::from(self.pad_top).saturating_add(1).saturating_mul(input.shape.dimension(2));
        let steps = self.stride_height == 1 && self.stride_width == 1;
        steps && input.shape == output.shape && kept <= LINE_BUFFER_ELEMENTS
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
