//! Two-dimensional convolution.

use super::{ExecuteError, dimensions4};
use crate::graph::ops::{Conv2d, ConvTranspose2d, Facts};
use crate::tensor::Tensor;

/// Direct convolution, channels last. Weights are reordered once per call so that the innermost
/// loop runs over output channels; a result is its bias, then products by row, column and input
/// channel of the window.
pub(super) fn conv2d(conv: &Conv2d, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    let [batch, height, width, channels] = dimensions4(operands[0].shape())?;
    let [out, kernel_height, kernel_width, group_channels] = dimensions4(operands[1].shape())?;
    let [_, out_height, out_width, _] = dimensions4(&result.shape)?;
    let input = operands[0].as_f32()?;
    let bias = operands.get(2).map(|bias| bias.as_f32()).transpose()?;
    // OHWI to HWIO: output channels of one group are neighbours.
    let weights = operands[1].transpose(&[1, 2, 3, 0])?;
    let weights = weights.as_f32()?;
    let group_out = out / conv.groups;
    let depthwise = group_channels == 1 && group_out == 1;
    let mut output = vec![0.0f32; batch * out_height * out_width * out];
    if out == 0 {
        return Ok(Tensor::from_vec(result.shape.clone(), output)?);
    }
    for (index, pixel) in output.chunks_exact_mut(out).enumerate() {
        let column = index % out_width;
        let row = index / out_width % out_height;
        let sample = index / out_width / out_height;
        if let Some(bias) = bias {
            pixel.copy_from_slice(bias);
        }
        for kernel_row in 0..kernel_height {
            let y = row * conv.stride[0] + kernel_row * conv.dilation[0];
            let Some(y) = y.checked_sub(conv.padding.top).filter(|&y| y < height) else {
                continue;
            };
            for kernel_column in 0..kernel_width {
                let x = column * conv.stride[1] + kernel_column * conv.dilation[1];
                let Some(x) = x.checked_sub(conv.padding.left).filter(|&x| x < width) else {
                    continue;
                };
                let source = ((sample * height + y) * width + x) * channels;
                let source = &input[source..source + channels];
                let tap = (kernel_row * kernel_width + kernel_column) * group_channels * out;
                let tap = &weights[tap..tap + group_channels * out];
                if depthwise {
                    for ((sum, x), weight) in pixel.iter_mut().zip(source).zip(tap) {
                        *sum += x * weight;
                    }
                    continue;
                }
                for (group, sums) in pixel.chunks_exact_mut(group_out).enumerate() {
                    let inputs = &source[group * group_channels..][..group_channels];
                    for (x, weights) in inputs.iter().zip(tap.chunks_exact(out)) {
                        let weights = &weights[group * group_out..][..group_out];
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum += x * weight;
                        }
                    }
                }
            }
        }
        if !conv.activation.is_none() {
            for sum in pixel {
                *sum = conv.activation.apply(*sum);
            }
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// Transposed convolution, channels last: each input position adds to the window of results it stands for.
pub(super) fn conv_transpose2d(
    conv: &ConvTranspose2d,
    operands: &[&Tensor],
    result: &Facts,
) -> Result<Tensor, ExecuteError> {
    let [_, height, width, channels] = dimensions4(operands[0].shape())?;
    let [out, kernel_height, kernel_width, group_channels] = dimensions4(operands[1].shape())?;
    let [_, out_height, out_width, _] = dimensions4(&result.shape)?;
    let (input, weights) = (operands[0].as_f32()?, operands[1].as_f32()?);
    let mut output = vec![0.0f32; result.shape.iter().product()];
    if out == 0 || channels == 0 || height * width == 0 {
        return Ok(Tensor::from_vec(result.shape.clone(), output)?);
    }
    if let Some(bias) = operands.get(2) {
        let bias = bias.as_f32()?;
        for pixel in output.chunks_exact_mut(out) {
            pixel.copy_from_slice(bias);
        }
    }
    let group_out = out / conv.groups;
    for (index, source) in input.chunks_exact(channels).enumerate() {
        let (column, row, sample) = (index % width, index / width % height, index / width / height);
        for kernel_row in 0..kernel_height {
            let y = row * conv.stride[0] + kernel_row * conv.dilation[0];
            let Some(y) = y.checked_sub(conv.padding.top).filter(|&y| y < out_height) else { continue };
            for kernel_column in 0..kernel_width {
                let x = column * conv.stride[1] + kernel_column * conv.dilation[1];
                let Some(x) = x.checked_sub(conv.padding.left).filter(|&x| x < out_width) else { continue };
                let pixel = &mut output[((sample * out_height + y) * out_width + x) * out..][..out];
                for (channel, sum) in pixel.iter_mut().enumerate() {
                    let inputs = &source[channel / group_out * group_channels..][..group_channels];
                    let tap = ((channel * kernel_height + kernel_row) * kernel_width + kernel_column) * group_channels;
                    for (x, weight) in inputs.iter().zip(&weights[tap..tap + group_channels]) {
                        *sum += x * weight;
                    }
                }
            }
        }
    }
    if !conv.activation.is_none() {
        for sum in &mut output {
            *sum = conv.activation.apply(*sum);
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::ops::Padding;
    use crate::graph::{Activation, Op};

    fn conv() -> Conv2d {
        Conv2d { stride: [1, 1], dilation: [1, 1], padding: Padding::NONE, groups: 1, activation: Activation::NONE }
    }

    fn counting(shape: [usize; 4]) -> Tensor {
        let count: usize = shape.iter().product();
        let items = (0..count).map(|item| item as f32).collect();
        Tensor::from_vec(shape.to_vec(), items).unwrap()
    }

    fn run(conv: Conv2d, operands: &[&Tensor]) -> Tensor {
        evaluate(&Op::Conv2d(conv), operands).unwrap().remove(0)
    }

    #[test]
    fn padding_may_differ_on_every_side() {
        let input = counting([1, 2, 2, 1]);
        let weights = counting([1, 2, 2, 1]);
        let padding = Padding { top: 1, left: 0, bottom: 0, right: 1 };
        let result = run(Conv2d { padding, ..conv() }, &[&input, &weights]);
        assert_eq!(result.shape(), [1, 2, 2, 1]);
        // Rows above are zero, columns to the right are zero.
        assert_eq!(result.as_f32().unwrap(), [3.0, 2.0, 14.0, 6.0]);
    }

    #[test]
    fn groups_read_their_own_channels() {
        let input = Tensor::from_vec(vec![1, 1, 1, 4], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let weights = Tensor::from_vec(vec![4, 1, 1, 2], vec![1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0]).unwrap();
        let bias = Tensor::vector(vec![0.0f32, 0.0, 0.0, -100.0]);
        let relu = Conv2d { groups: 2, activation: Activation::RELU, ..conv() };
        let result = run(relu, &[&input, &weights, &bias]);
        assert_eq!(result.as_f32().unwrap(), [1.0, 2.0, 7.0, 0.0]);
    }

    #[test]
    fn depthwise_with_stride_and_dilation() {
        let input = counting([1, 4, 4, 2]);
        let weights = Tensor::from_vec(vec![2, 2, 1, 1], vec![1.0f32, 1.0, 1.0, -1.0]).unwrap();
        let op = Conv2d { groups: 2, stride: [1, 3], dilation: [3, 1], ..conv() };
        let result = run(op, &[&input, &weights]);
        assert_eq!(result.shape(), [1, 1, 2, 2]);
        assert_eq!(result.as_f32().unwrap(), [24.0, -24.0, 36.0, -24.0]);
    }
}
