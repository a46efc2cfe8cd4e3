//! Steps on images `[1, channels, height, width]`, and on sequences `[1, channels, length]` where the operator has
//! both.

use super::sketch::{Sketch, Value};
use crate::onnx::{float, int, ints, string};
use bantam_tools::reference::pb::AttributeProto;

/// What a window does along its axes.
struct Windows {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// Before all axes, then after all.
    pads: Vec<usize>,
    /// `auto_pad`, where pads are not given.
    auto: Option<&'static str>,
    output: Vec<usize>,
}

fn longs(name: &str, items: &[usize]) -> AttributeProto {
    ints(name, &items.iter().map(|&item| item as i64).collect::<Vec<_>>())
}

impl Windows {
    /// Windows over an image or a sequence with these extents; `None` where none fits.
    fn random(sketch: &mut Sketch, extents: &[usize], dilated: bool, pads_below_kernel: bool) -> Option<Self> {
        let random = &mut sketch.random;
        let mut each = |choices: &[usize]| -> Vec<usize> {
            let same = random.once_in(2);
            let first = random.pick(choices);
            extents.iter().map(|_| if same { first } else { random.pick(choices) }).collect()
        };
        let kernel = each(&[1, 1, 2, 3, 3, 3, 4, 5]);
        let stride = each(&[1, 1, 1, 2, 2, 3]);
        let dilation = if dilated { each(&[1, 1, 1, 2, 3]) } else { vec![1; extents.len()] };
        let auto = match random.within(0..8) {
            0 => Some("SAME_UPPER"),
            1 => Some("SAME_LOWER"),
            2 => Some("VALID"),
            _ => None,
        };
        let mut pads = vec![0; 2 * extents.len()];
        if auto.is_none() && !random.once_in(3) {
            for (index, pad) in pads.iter_mut().enumerate() {
                let window = kernel[index % extents.len()];
                *pad = if pads_below_kernel { random.within(0..window) } else { random.within(0..window + 2) };
            }
        }
        let mut output = Vec::new();
        for (axis, &extent) in extents.iter().enumerate() {
            let window = (kernel[axis] - 1) * dilation[axis] + 1;
            let size = match auto {
                Some("SAME_UPPER" | "SAME_LOWER") => extent.div_ceil(stride[axis]),
                _ => (extent + pads[axis] + pads[extents.len() + axis]).checked_sub(window)? / stride[axis] + 1,
            };
            output.push(size);
        }
        Some(Self { kernel, stride, dilation, pads, auto, output })
    }

    fn attributes(&self, sketch: &mut Sketch, kernel_needed: bool) -> Vec<AttributeProto> {
        let mut attributes = Vec::new();
        if kernel_needed || sketch.random.once_in(2) {
            attributes.push(longs("kernel_shape", &self.kernel));
        }
        if self.stride.iter().any(|&stride| stride > 1) || sketch.random.once_in(2) {
            attributes.push(longs("strides", &self.stride));
        }
        if self.dilation.iter().any(|&dilation| dilation > 1) {
            attributes.push(longs("dilations", &self.dilation));
        }
        match self.auto {
            Some(auto) => attributes.push(string("auto_pad", auto)),
            None if self.pads.iter().any(|&pad| pad > 0) || sketch.random.once_in(3) => {
                attributes.push(longs("pads", &self.pads));
            }
            None => {}
        }
        attributes
    }
}

/// Channels and extents of an image or a sequence.
fn spatial(value: &Value) -> Option<(usize, Vec<usize>)> {
    match value.shape.as_slice() {
        [1, channels, rest @ ..] if matches!(rest.len(), 1 | 2) => Some((*channels, rest.to_vec())),
        _ => None,
    }
}

fn with_channels(channels: usize, extents: &[usize]) -> Vec<usize> {
    [&[1, channels], extents].concat()
}

fn divisor(sketch: &mut Sketch, number: usize) -> usize {
    let divisors: Vec<usize> = (1..=number).filter(|divisor| number.is_multiple_of(*divisor)).collect();
    match sketch.random.within(0..4) {
        0 | 1 => 1,
        2 => number,
        _ => sketch.random.pick(&divisors),
    }
}

/// A rectifier or none.
fn activated(sketch: &mut Sketch, value: Value) -> Value {
    match sketch.random.within(0..5) {
        0 | 1 => sketch.unary("Relu", &value),
        2 => {
            let (low, high) = (sketch.floats(&[], &[0.0]), sketch.floats(&[], &[6.0]));
            sketch.node("Clip", &[&value, &low, &high], &value.shape.clone(), vec![])
        }
        _ => value,
    }
}

/// A convolution that keeps the extents, with a stride of 1.
fn same_convolution(sketch: &mut Sketch, value: &Value, out: usize, kernel: usize, groups: usize) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let shape = with_channels(out, &extents);
    if !sketch.fits(&shape) {
        return None;
    }
    let taps = vec![kernel; extents.len()];
    let weight_shape = [&[out, channels / groups], taps.as_slice()].concat();
    let fan_in = channels / groups * kernel.pow(extents.len() as u32);
    let weights = sketch.weights(&weight_shape, fan_in);
    let bias = sketch.constant(&[out], -0.3, 0.3);
    let attributes = vec![longs("pads", &vec![kernel / 2; 2 * extents.len()]), int("group", groups as i64)];
    Some(sketch.node("Conv", &[value, &weights, &bias], &shape, attributes))
}

pub(super) fn convolution(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let windows = Windows::random(sketch, &extents, true, false)?;
    let groups = divisor(sketch, channels);
    let out = groups * sketch.random.within(1..(12 / groups).clamp(2, 5));
    let shape = with_channels(out, &windows.output);
    if !sketch.fits(&shape) {
        return None;
    }
    let taps: usize = windows.kernel.iter().product();
    let weight_shape = [&[out, channels / groups], windows.kernel.as_slice()].concat();
    let weights = sketch.weights(&weight_shape, channels / groups * taps);
    let mut attributes = windows.attributes(sketch, false);
    if groups > 1 {
        attributes.push(int("group", groups as i64));
    }
    let result = if sketch.random.once_in(3) {
        sketch.node("Conv", &[value, &weights], &shape, attributes)
    } else {
        let bias = sketch.constant(&[out], -0.5, 0.5);
        sketch.node("Conv", &[value, &weights, &bias], &shape, attributes)
    };
    let result = if sketch.random.once_in(3) { batch_normalization(sketch, &result)? } else { result };
    Some(activated(sketch, result))
}

pub(super) fn transposed_convolution(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let rank = extents.len();
    let random = &mut sketch.random;
    let kernel: Vec<usize> = (0..rank).map(|_| random.within(1..5)).collect();
    let stride: Vec<usize> = (0..rank).map(|_| random.pick(&[1, 2, 2, 3])).collect();
    let dilation: Vec<usize> = (0..rank).map(|_| random.pick(&[1, 1, 1, 2])).collect();
    let added: Vec<usize> = stride.iter().map(|&s| if random.once_in(3) { random.within(0..s) } else { 0 }).collect();
    let pads: Vec<usize> = (0..2 * rank).map(|i| random.within(0..kernel[i % rank])).collect();
    let padded = random.once_in(2);
    let pads = if padded { pads } else { vec![0; 2 * rank] };
    let groups = divisor(sketch, channels);
    let group_out = sketch.random.within(1..4);
    let mut output = Vec::new();
    for axis in 0..rank {
        let whole = (extents[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 + added[axis];
        output.push(whole.checked_sub(pads[axis] + pads[rank + axis])?);
    }
    let shape = with_channels(groups * group_out, &output);
    if !sketch.fits(&shape) {
        return None;
    }
    let weight_shape = [&[channels, group_out], kernel.as_slice()].concat();
    let weights = sketch.weights(&weight_shape, channels / groups * kernel.iter().product::<usize>());
    let mut attributes = vec![longs("strides", &stride)];
    if dilation.iter().any(|&d| d > 1) {
        attributes.push(longs("dilations", &dilation));
    }
    if added.iter().any(|&a| a > 0) {
        attributes.push(longs("output_padding", &added));
    }
    if padded {
        attributes.push(longs("pads", &pads));
    }
    if groups > 1 {
        attributes.push(int("group", groups as i64));
    }
    if sketch.random.once_in(2) {
        let bias = sketch.constant(&[groups * group_out], -0.5, 0.5);
        return Some(sketch.node("ConvTranspose", &[value, &weights, &bias], &shape, attributes));
    }
    Some(sketch.node("ConvTranspose", &[value, &weights], &shape, attributes))
}

pub(super) fn pooling(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let operator = sketch.random.pick(&["MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool"]);
    let mut windows = Windows::random(sketch, &extents, operator == "MaxPool", true)?;
    let mut ceil = false;
    if operator != "LpPool" && windows.auto.is_none() && sketch.random.once_in(3) {
        ceil = true;
        for axis in 0..extents.len() {
            let window = (windows.kernel[axis] - 1) * windows.dilation[axis] + 1;
            let (before, after) = (windows.pads[axis], windows.pads[extents.len() + axis]);
            windows.output[axis] = (extents[axis] + before + after - window).div_ceil(windows.stride[axis]) + 1;
            // Where the last window would begin in the padding, implementations disagree.
            if (windows.output[axis] - 1) * windows.stride[axis] >= extents[axis] + before {
                return None;
            }
        }
    }
    let shape = with_channels(channels, &windows.output);
    if !sketch.fits(&shape) {
        return None;
    }
    // A window that sees nothing but padding has no mean or maximum.
    for (axis, &extent) in extents.iter().enumerate() {
        let window = (windows.kernel[axis] - 1) * windows.dilation[axis] + 1;
        if windows.dilation[axis] > 1 && (windows.pads[axis] > 0 || window > extent || windows.auto.is_some()) {
            return None;
        }
    }
    let mut attributes = windows.attributes(sketch, true);
    if ceil {
        attributes.push(int("ceil_mode", 1));
    }
    if operator == "AveragePool" && windows.auto.is_none() && sketch.random.once_in(2) {
        attributes.push(int("count_include_pad", 1));
    }
    if operator == "LpPool" {
        attributes.push(int("p", sketch.random.integer(1..3)));
    }
    Some(sketch.node(operator, &[value], &shape, attributes))
}

pub(super) fn global_pooling(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let operator = sketch.random.pick(&["GlobalAveragePool", "GlobalAveragePool", "GlobalMaxPool"]);
    Some(sketch.node(operator, &[value], &with_channels(channels, &vec![1; extents.len()]), vec![]))
}

pub(super) fn batch_normalization(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, _) = spatial(value)?;
    let scale = sketch.constant(&[channels], 0.5, 1.5);
    let bias = sketch.constant(&[channels], -0.5, 0.5);
    let mean = sketch.constant(&[channels], -0.5, 0.5);
    let variance = sketch.constant(&[channels], 0.5, 1.5);
    let shape = value.shape.clone();
    Some(sketch.node("BatchNormalization", &[value, &scale, &bias, &mean, &variance], &shape, vec![]))
}

pub(super) fn normalization(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let shape = value.shape.clone();
    if extents.len() == 2 && sketch.random.once_in(3) {
        let attributes = vec![int("size", 3), float("alpha", 0.1)];
        return Some(sketch.node("LRN", &[value], &shape, attributes));
    }
    if extents.iter().product::<usize>() < 6 {
        return None;
    }
    let scale = sketch.constant(&[channels], 0.5, 1.5);
    let bias = sketch.constant(&[channels], -0.5, 0.5);
    let attributes = vec![float("epsilon", 0.01)];
    Some(sketch.node("InstanceNormalization", &[value, &scale, &bias], &shape, attributes))
}

/// Channels dealt out to groups, as ShuffleNet does it.
pub(super) fn channel_shuffle(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [channels, height, width] = value.image()?;
    let groups = (2..channels).find(|groups| channels.is_multiple_of(*groups))?;
    let split = sketch.reshape(value, &[1, groups, channels / groups, height, width]);
    let mixed = sketch.transpose(&split, &[0, 2, 1, 3, 4]);
    Some(sketch.reshape(&mixed, &value.shape))
}

/// A gate per channel: squeeze and excite.
pub(super) fn gate(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [channels, _, _] = value.image()?;
    let middle = channels.div_ceil(2);
    let by_matrices = sketch.random.once_in(2);
    let squeezed = if by_matrices {
        let mean = sketch.with_axes("ReduceMean", 18, value, &[2, 3], &[1, channels], vec![int("keepdims", 0)]);
        let down = dense(sketch, &mean, middle);
        let down = sketch.unary("Relu", &down);
        dense(sketch, &down, channels)
    } else {
        let mean = sketch.node("GlobalAveragePool", &[value], &[1, channels, 1, 1], vec![]);
        let down = same_convolution(sketch, &mean, middle, 1, 1)?;
        let down = sketch.unary("Relu", &down);
        same_convolution(sketch, &down, channels, 1, 1)?
    };
    let function = sketch.random.pick(&["Sigmoid", "HardSigmoid"]);
    let mut open = sketch.unary(function, &squeezed);
    if by_matrices {
        open = if sketch.random.once_in(2) {
            sketch.reshape(&open, &[1, channels, 1, 1])
        } else {
            sketch.with_axes("Unsqueeze", 13, &open, &[2, 3], &[1, channels, 1, 1], vec![])
        };
    }
    let pair = if sketch.random.once_in(2) { [value, &open] } else { [&open, value] };
    Some(sketch.node("Mul", &pair, &value.shape, vec![]))
}

/// A fully connected layer on `[rows, depth]`.
pub(super) fn dense(sketch: &mut Sketch, value: &Value, out: usize) -> Value {
    let depth = value.shape[1];
    let shape = [value.shape[0], out];
    if sketch.random.once_in(2) {
        let weights = sketch.weights(&[out, depth], depth);
        let bias = sketch.constant(&[out], -0.3, 0.3);
        return sketch.node("Gemm", &[value, &weights, &bias], &shape, vec![int("transB", 1)]);
    }
    let weights = sketch.weights(&[depth, out], depth);
    let product = sketch.node("MatMul", &[value, &weights], &shape, vec![]);
    let bias = sketch.constant(&[out], -0.3, 0.3);
    sketch.node("Add", &[&product, &bias], &shape, vec![])
}

/// x + f(x), with or without a rectifier behind.
pub(super) fn residual(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, _) = spatial(value)?;
    let kernel = sketch.random.pick(&[1, 3]);
    let groups = divisor(sketch, channels);
    let inner = same_convolution(sketch, value, channels, kernel, groups)?;
    let inner = batch_normalization(sketch, &inner)?;
    let inner = sketch.unary("Relu", &inner);
    let inner = same_convolution(sketch, &inner, channels, 3, 1)?;
    let pair = if sketch.random.once_in(2) { [value, &inner] } else { [&inner, value] };
    let sum = sketch.node("Add", &pair, &value.shape, vec![]);
    Some(activated(sketch, sum))
}

/// Branches of several kernels, joined along the channels; one may be the value itself.
pub(super) fn branches(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    let mut parts = Vec::new();
    for kernel in [1, 3, 5].into_iter().take(sketch.random.within(1..4)) {
        let out = sketch.random.within(1..4);
        let part = same_convolution(sketch, value, out, kernel, 1)?;
        parts.push(activated(sketch, part));
    }
    if parts.len() < 2 || sketch.random.once_in(2) {
        parts.push(value.clone());
    }
    let total = parts.iter().map(|part| part.shape[1]).sum();
    let shape = with_channels(total, &extents);
    if !sketch.fits(&shape) || total > channels + 12 {
        return None;
    }
    let operands: Vec<&Value> = parts.iter().collect();
    Some(sketch.node("Concat", &operands, &shape, vec![int("axis", 1)]))
}

/// Channels split, parts treated apart, and joined again or added.
pub(super) fn split(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (channels, extents) = spatial(value)?;
    if channels < 2 {
        return None;
    }
    let equal = channels.is_multiple_of(2) && sketch.random.once_in(2);
    let first = if equal { channels / 2 } else { sketch.random.within(1..channels) };
    let shapes = [with_channels(first, &extents), with_channels(channels - first, &extents)];
    let axis = int("axis", 1);
    let lengths = [first as i64, (channels - first) as i64];
    let parts = if sketch.opset < 13 {
        sketch.nodes("Split", &[value], &shapes, vec![axis, ints("split", &lengths)])
    } else if sketch.opset >= 18 && equal {
        sketch.nodes("Split", &[value], &shapes, vec![axis, int("num_outputs", 2)])
    } else {
        let lengths = sketch.integers(&lengths);
        sketch.nodes("Split", &[value, &lengths], &shapes, vec![axis])
    };
    let treated = if sketch.random.once_in(2) {
        same_convolution(sketch, &parts[0], first, 3, 1)?
    } else {
        sketch.unary("Relu", &parts[0])
    };
    if equal && sketch.random.once_in(2) {
        return Some(sketch.node("Add", &[&treated, &parts[1]], &shapes[0], vec![]));
    }
    let pair = if sketch.random.once_in(2) { [&treated, &parts[1]] } else { [&parts[1], &treated] };
    Some(sketch.node("Concat", &pair, &value.shape, vec![int("axis", 1)]))
}

/// Nearest or linear resampling of an image.
pub(super) fn resize(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [channels, height, width] = value.image()?;
    let factors = [sketch.random.pick(&[1, 2, 2, 3]), sketch.random.pick(&[1, 2, 2])];
    let shape = [1, channels, height * factors[0], width * factors[1]];
    if !sketch.fits(&shape) {
        return None;
    }
    let scales = sketch.floats(&[4], &[1.0, 1.0, factors[0] as f32, factors[1] as f32]);
    let attributes = match sketch.random.within(0..4) {
        0 => vec![string("mode", "linear"), string("coordinate_transformation_mode", "asymmetric")],
        1 => vec![string("mode", "linear"), string("coordinate_transformation_mode", "half_pixel")],
        2 => vec![string("mode", "linear"), string("coordinate_transformation_mode", "align_corners")],
        _ => vec![
            string("mode", "nearest"),
            string("coordinate_transformation_mode", "asymmetric"),
            string("nearest_mode", "floor"),
        ],
    };
    // Operator set 11 asks for a region, which these modes ignore.
    let region = if sketch.opset < 13 { sketch.floats(&[0], &[]) } else { Sketch::absent() };
    Some(sketch.node("Resize", &[value, &region, &scales], &shape, attributes))
}

/// Blocks of pixels to channels and back.
pub(super) fn blocks(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [channels, height, width] = value.image()?;
    if height.is_multiple_of(2) && width.is_multiple_of(2) && sketch.random.once_in(2) {
        let shape = [1, channels * 4, height / 2, width / 2];
        return sketch.fits(&shape).then(|| sketch.node("SpaceToDepth", &[value], &shape, vec![int("blocksize", 2)]));
    }
    if !channels.is_multiple_of(4) {
        return None;
    }
    let mode = sketch.random.pick(&["DCR", "CRD"]);
    let shape = [1, channels / 4, height * 2, width * 2];
    Some(sketch.node("DepthToSpace", &[value], &shape, vec![int("blocksize", 2), string("mode", mode)]))
}

/// Flattened, and a fully connected layer.
pub(super) fn classifier(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let elements = value.elements();
    let flat = if value.shape.len() == 2 {
        value.clone()
    } else if value.shape[0] == 1 && sketch.random.once_in(2) {
        sketch.node("Flatten", &[value], &[1, elements], vec![])
    } else {
        sketch.reshape(value, &[1, elements])
    };
    if flat.shape[0] != 1 || flat.shape[1] != elements {
        return None;
    }
    let out = sketch.random.within(2..12);
    let result = dense(sketch, &flat, out);
    Some(match sketch.random.within(0..4) {
        0 => sketch.softmax(&result, 1),
        1 => sketch.unary("Relu", &result),
        _ => result,
    })
}
