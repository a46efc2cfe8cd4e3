//! Arithmetic over slices. Kernels know geometry and parameters, not the file format, and work on a band: some rows
//! of the output and the input rows they need, as disjoint slices.
//!
//! [`scalar`] is the oracle every other backend must equal: for integers bit for bit.
//!
//! No kernel panics: lengths that do not fit end a loop early.

pub mod arch;
pub mod direct;
pub mod dispatch;
pub mod fixed_point;
pub mod generic;
pub mod requantize;
pub mod scalar;
pub mod weights;

pub use bantam_format::overlap::Band;
pub use requantize::{
    Average, AverageFixedPoint, AverageReal, ClampFloat, Epilogue, MeanFloat, Requantization, WideRequantization,
};

/// What an accumulating kernel multiplies with, and what its sums become.
#[derive(Clone, Copy, Debug)]
pub struct Accumulation<'a, T: scalar::Number, E> {
    /// Zero point of the input; 0 for floats.
    pub zero_point: i32,
    /// Weights, in the order the kernel states.
    pub weights: T::Weights<'a>,
    /// One value per output channel, or empty for zeros.
    pub bias: &'a [T::Bias],
    /// What the sums become.
    pub epilogue: E,
}

/// Geometry of a windowed op over images of `[height, width, channels]`. Pairs are height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Taps of the window.
    pub kernel: [usize; 2],
    /// Input positions from one window to the next.
    pub stride: [usize; 2],
    /// Input positions from one tap to the next.
    pub dilation: [usize; 2],
    /// Padding before the first input position.
    pub pad: [usize; 2],
    /// Input height, width and channels.
    pub input: [usize; 3],
    /// Output height, width and channels.
    pub output: [usize; 3],
    /// Groups of channels.
    pub groups: usize,
}

impl Convolution {
    /// A convolution of 1 x 1 over images of this height and width, from and to so many channels.
    pub fn pointwise([height, width]: [usize; 2], [input, output]: [usize; 2]) -> Self {
        Self {
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            pad: [0; 2],
            input: [height, width, input],
            output: [height, width, output],
            groups: 1,
        }
    }

    /// Input channels that an output channel sees.
    pub fn group_channels(&self) -> usize {
        self.input[2] / self.groups.max(1)
    }

    /// Weights per output channel of a full convolution.
    pub fn taps(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1]).saturating_mul(self.group_channels())
    }

    /// Whether each output pixel sees just the input pixel at its own place.
    pub fn is_pointwise(&self) -> bool {
        let [height, width, _] = self.input;
        self.kernel == [1; 2] && self.stride == [1; 2] && self.pad == [0; 2] && self.output[..2] == [height, width]
    }

    /// Whether its windows are of 3 x 3 taps and lie side by side.
    pub fn is_three_by_three(&self) -> bool {
        self.kernel == [3; 2] && self.dilation == [1; 2] && self.stride == [1; 2]
    }

    /// Of the taps of output column `column` without dilation: how many lie left of the input, and inside it.
    pub fn inside(&self, column: usize) -> [usize; 2] {
        let start = column.saturating_mul(self.stride[1]);
        let before = self.pad[1].saturating_sub(start).min(self.kernel[1]);
        let end = self.input[1].saturating_add(self.pad[1]).saturating_sub(start).min(self.kernel[1]);
        [before, end.saturating_sub(before)]
    }

    /// The input row under tap `tap` of output row `row`; `None` in the padding.
    pub fn input_row(&self, row: usize, tap: usize) -> Option<usize> {
        position(row, self.stride[0], tap, self.dilation[0]).checked_sub(self.pad[0]).filter(|&y| y < self.input[0])
    }

    /// The input column under tap `tap` of output column `column`; `None` in the padding.
    pub fn input_column(&self, column: usize, tap: usize) -> Option<usize> {
        position(column, self.stride[1], tap, self.dilation[1]).checked_sub(self.pad[1]).filter(|&x| x < self.input[1])
    }

    /// The input row whose tap `tap` a transposed convolution lays on output row `row`, if there is one.
    pub fn spreading_row(&self, row: usize, tap: usize) -> Option<usize> {
        spreading(row, self.pad[0], tap, self.dilation[0], self.stride[0]).filter(|&y| y < self.input[0])
    }

    /// The input column whose tap `tap` a transposed convolution lays on output column `column`, if there is one.
    pub fn spreading_column(&self, column: usize, tap: usize) -> Option<usize> {
        spreading(column, self.pad[1], tap, self.dilation[1], self.stride[1]).filter(|&x| x < self.input[1])
    }
}

/// The position of which tap `tap` lies on an output position.
fn spreading(output: usize, pad: usize, tap: usize, dilation: usize, stride: usize) -> Option<usize> {
    let distance = output.saturating_add(pad).checked_sub(tap.saturating_mul(dilation))?;
    if distance.checked_rem(stride)? == 0 { distance.checked_div(stride) } else { None }
}

/// Where a tap lies, padding included. Saturates: with 32-bit pointers the last tap of a widely dilated window can lie
/// beyond every address, and must not come back as one inside the input.
fn position(window: usize, stride: usize, tap: usize, dilation: usize) -> usize {
    window.saturating_mul(stride).saturating_add(tap.saturating_mul(dilation))
}
