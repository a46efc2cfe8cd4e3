//! Pooling over windows.

use super::super::attributes::refuse;
use super::super::error::Reason;
use super::super::lowering::Lowering;
use super::window::{self, Window};
use crate::graph::ops::{AveragePool2d, Pool2d};
use crate::graph::{Activation, Op};

/// `MaxPool`. The positions of the maxima, its second result, are not made.
pub(super) fn maximum(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    lowering.attributes.ignore(&["storage_order"]);
    let image = window::image(lowering)?;
    let window = window::window(lowering, &image, None)?;
    let result = lowering.emit(Op::MaxPool2d(pool(&window)), &[image.value])?;
    window::finish(lowering, result, image.axes)
}

/// `AveragePool`.
pub(super) fn average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let image = window::image(lowering)?;
    let window = window::window(lowering, &image, None)?;
    let count_include_pad = lowering.attributes.flag("count_include_pad", false)?;
    if window.extended && count_include_pad {
        return Err(refuse(
            "count_include_pad",
            "1",
            "with ceil_mode and windows beyond the padding, only 0 is supported",
        ));
    }
    let op = Op::AveragePool2d(AveragePool2d { pool: pool(&window), count_include_pad });
    let result = lowering.emit(op, &[image.value])?;
    window::finish(lowering, result, image.axes)
}

fn pool(window: &Window) -> Pool2d {
    Pool2d {
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.padding,
        activation: Activation::NONE,
    }
}
