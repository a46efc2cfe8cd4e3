//! Steps on values of any rank.

use super::sketch::{Sketch, Value};
use crate::onnx::{float, int, string};

/// Elementwise functions; the ones with a narrow domain come behind one that leads into it.
pub(super) fn function(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let shape = value.shape.clone();
    let plain = ["Relu", "Sigmoid", "Tanh", "HardSigmoid", "Softplus", "Softsign", "Abs", "Neg", "Erf", "Sin", "Cos"];
    Some(match sketch.random.within(0..18) {
        0..7 => {
            let operator = sketch.random.pick(&plain);
            sketch.unary(operator, value)
        }
        7 if sketch.opset >= 14 => sketch.unary("HardSwish", value),
        7 | 8 => {
            let alpha = sketch.random.pick(&[0.01, 0.2]);
            sketch.node("LeakyRelu", &[value], &shape, vec![float("alpha", alpha)])
        }
        9 => {
            let operator = sketch.random.pick(&["Elu", "Selu", "Celu"]);
            sketch.unary(operator, value)
        }
        10 if sketch.opset >= 18 => sketch.unary("Mish", value),
        10 | 11 if sketch.opset >= 20 => {
            let mode = sketch.random.pick(&["none", "tanh"]);
            sketch.node("Gelu", &[value], &shape, vec![string("approximate", mode)])
        }
        10 | 11 => {
            // The way exporters write x * sigmoid(x).
            let gate = sketch.unary("Sigmoid", value);
            sketch.node("Mul", &[value, &gate], &shape, vec![])
        }
        12 => {
            let (low, high) = (sketch.random.real(-1.0, 0.0) as f32, sketch.random.real(0.5, 2.0) as f32);
            let (low, high) = (sketch.floats(&[], &[low]), sketch.floats(&[], &[high]));
            sketch.node("Clip", &[value, &low, &high], &shape, vec![])
        }
        13 => {
            let slopes = match shape.as_slice() {
                [_, channels, _, _] => sketch.constant(&[*channels, 1, 1], 0.0, 0.5),
                [.., last] => sketch.constant(&[*last], 0.0, 0.5),
                [] => return None,
            };
            sketch.node("PRelu", &[value, &slopes], &shape, vec![])
        }
        14 => {
            // Positive, then a function of positive numbers.
            let positive = sketch.unary("Abs", value);
            let offset = sketch.floats(&[], &[0.5]);
            let positive = sketch.node("Add", &[&positive, &offset], &shape, vec![]);
            let operator = sketch.random.pick(&["Sqrt", "Log", "Reciprocal"]);
            sketch.unary(operator, &positive)
        }
        15 => {
            let bounded = sketch.unary("Tanh", value);
            sketch.unary("Exp", &bounded)
        }
        16 => {
            let exponent = sketch.floats(&[], &[2.0]);
            let bounded = sketch.unary("Tanh", value);
            sketch.node("Pow", &[&bounded, &exponent], &shape, vec![])
        }
        _ => {
            let operator = sketch.random.pick(&["Identity", "Dropout"]);
            sketch.unary(operator, value)
        }
    })
}

/// An operation with a constant that is broadcast in one of the ways there are.
pub(super) fn with_constant(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let shape = value.shape.clone();
    let rank = shape.len();
    let constant_shape: Vec<usize> = match sketch.random.within(0..4) {
        0 => vec![],
        1 => shape.clone(),
        2 => shape[sketch.random.within(0..rank)..].to_vec(),
        _ => shape.iter().map(|&size| if sketch.random.once_in(2) { 1 } else { size }).collect(),
    };
    let operator = sketch.random.pick(&["Add", "Add", "Sub", "Mul", "Mul", "Div", "Max", "Min"]);
    let (low, high) = if operator == "Div" { (0.5, 2.0) } else { (-1.0, 1.0) };
    let constant = sketch.constant(&constant_shape, low, high);
    let swapped = operator != "Div" && sketch.random.once_in(3);
    let pair = if swapped { [&constant, value] } else { [value, &constant] };
    Some(sketch.node(operator, &pair, &shape, vec![]))
}

fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank)
        .map(|axis| match (size(left, axis), size(right, axis)) {
            (1, size) | (size, 1) => Some(size),
            (left, right) => (left == right).then_some(left),
        })
        .collect()
}

/// An operation on two values.
pub(super) fn with_value(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let other = sketch.pick_live();
    let shape = broadcast(&value.shape, &other.shape)?;
    if !sketch.fits(&shape) {
        return None;
    }
    let operator = sketch.random.pick(&["Add", "Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean", "Div", "Where"]);
    match operator {
        "Div" => {
            let positive = sketch.unary("Abs", &other);
            let offset = sketch.floats(&[], &[0.5]);
            let positive = sketch.node("Add", &[&positive, &offset], &other.shape, vec![]);
            Some(sketch.node("Div", &[value, &positive], &shape, vec![]))
        }
        "Where" => {
            let limit = sketch.floats(&[], &[0.25]);
            let comparison = sketch.random.pick(&["Greater", "Less"]);
            let chosen = sketch.node(comparison, &[value, &limit], &value.shape, vec![]);
            // Both choices are continuous where the comparison turns: an error there is no larger than elsewhere.
            let rest = sketch.node("Sub", &[value, &limit], &value.shape, vec![]);
            let zero = sketch.node("Mul", &[&rest, &other], &shape, vec![]);
            let sum = sketch.node("Add", &[&zero, &other], &shape, vec![]);
            Some(sketch.node("Where", &[&chosen, &sum, &other], &shape, vec![]))
        }
        "Sum" | "Mean" => Some(sketch.node(operator, &[value, &other, value], &shape, vec![])),
        _ => Some(sketch.node(operator, &[value, &other], &shape, vec![])),
    }
}

pub(super) fn reduction(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let mut axes: Vec<usize> = (0..rank).filter(|_| sketch.random.once_in(2)).collect();
    if axes.is_empty() {
        axes.push(rank - 1);
    }
    let keep = sketch.random.once_in(2) || axes.len() == rank;
    let operator = sketch.random.pick(&[
        "ReduceMean",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceSum",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceLogSumExp",
    ]);
    let reduced: usize = axes.iter().map(|&axis| value.shape[axis]).product();
    if operator != "ReduceMean" && operator != "ReduceMax" && operator != "ReduceMin" && reduced > 12 {
        return None;
    }
    let shape: Vec<usize> = value
        .shape
        .iter()
        .enumerate()
        .filter_map(|(axis, &size)| match (axes.contains(&axis), keep) {
            (true, true) => Some(1),
            (true, false) => None,
            (false, _) => Some(size),
        })
        .collect();
    let named: Vec<i64> = axes.iter().map(|&axis| sketch.axis_of(axis, rank)).collect();
    let since = if operator == "ReduceSum" { 13 } else { 18 };
    Some(sketch.with_axes(operator, since, value, &named, &shape, vec![int("keepdims", i64::from(keep))]))
}

pub(super) fn softmax(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let axis = if sketch.random.once_in(2) { rank - 1 } else { sketch.random.within(0..rank) };
    // Before operator set 13 the axes from there on are one.
    if sketch.opset < 13 && axis != rank - 1 {
        return None;
    }
    if sketch.random.once_in(4) {
        let attributes = vec![int("axis", axis as i64)];
        return Some(sketch.node("LogSoftmax", &[value], &value.shape.clone(), attributes));
    }
    Some(sketch.softmax(value, axis))
}

/// Transposes, reshapes, axes of size 1 added and removed.
pub(super) fn movement(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (shape, rank) = (value.shape.clone(), value.shape.len());
    match sketch.random.within(0..6) {
        0 | 1 => {
            let mut permutation: Vec<usize> = (0..rank).collect();
            for axis in (1..rank).rev() {
                permutation.swap(axis, sketch.random.within(0..axis + 1));
            }
            Some(sketch.transpose(value, &permutation))
        }
        2 => {
            let axis = (0..rank).rfind(|&axis| shape[axis] == 1).filter(|_| rank > 1)?;
            let mut shape = shape;
            shape.remove(axis);
            let axis = sketch.axis_of(axis, rank);
            Some(sketch.with_axes("Squeeze", 13, value, &[axis], &shape, vec![]))
        }
        3 => {
            let axis = sketch.random.within(0..rank + 1);
            let mut shape = shape;
            shape.insert(axis, 1);
            let axis = sketch.axis_of(axis, rank + 1);
            sketch.fits(&shape).then(|| sketch.with_axes("Unsqueeze", 13, value, &[axis], &shape, vec![]))
        }
        4 => {
            // Two neighbouring axes joined.
            let axis = sketch.random.within(0..rank.checked_sub(1).filter(|&rank| rank > 0)?);
            let mut joined = shape.clone();
            joined[axis] *= joined.remove(axis + 1);
            Some(sketch.reshape(value, &joined))
        }
        _ => {
            // One axis parted.
            let axis = sketch.random.within(0..rank);
            let factor = (2..=shape[axis]).find(|factor| shape[axis].is_multiple_of(*factor))?;
            let mut parted = shape.clone();
            parted[axis] /= factor;
            parted.insert(if sketch.random.once_in(2) { axis } else { axis + 1 }, factor);
            sketch.fits(&parted).then(|| sketch.reshape(value, &parted))
        }
    }
}

/// The shape computed in the graph, as exporters write `x.view(x.size(0), -1)`.
pub(super) fn computed_shape(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let shape = sketch.node("Shape", &[value], &[value.shape.len()], vec![]);
    let first = sketch.integers(&[0]);
    let batch = sketch.node("Gather", &[&shape, &first], &[1], vec![int("axis", 0)]);
    let rest = sketch.integers(&[-1]);
    let target = sketch.node("Concat", &[&batch, &rest], &[2], vec![int("axis", 0)]);
    let flat = [value.shape[0], value.elements() / value.shape[0]];
    Some(sketch.node("Reshape", &[value, &target], &flat, vec![]))
}

/// A part along one or two axes, forwards or backwards.
pub(super) fn slice(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let mut shape = value.shape.clone();
    let (mut starts, mut ends, mut axes, mut steps) = (vec![], vec![], vec![], vec![]);
    for (axis, extent) in shape.iter_mut().enumerate() {
        let size = *extent;
        if size < 2 || !(sketch.random.once_in(2) || (axes.is_empty() && axis == rank - 1)) {
            continue;
        }
        let step = sketch.random.pick(&[1, 1, 1, 2, -1]);
        let start = sketch.random.within(0..size);
        let (from, to, count) = if step > 0 {
            let end = sketch.random.within(start + 1..size + 1);
            (start as i64, end as i64, (end - start).div_ceil(step as usize))
        } else {
            (start as i64, i64::MIN, start + 1)
        };
        starts.push(if sketch.random.once_in(3) { from - size as i64 } else { from });
        ends.push(if to == size as i64 { sketch.random.pick(&[i64::MAX, to]) } else { to });
        axes.push(sketch.axis_of(axis, rank));
        steps.push(step);
        *extent = count;
    }
    if axes.is_empty() {
        return None;
    }
    let operands = [starts, ends, axes, steps].map(|items| sketch.integers(&items));
    let [starts, ends, axes, steps] = &operands;
    Some(sketch.node("Slice", &[value, starts, ends, axes, steps], &shape, vec![]))
}

pub(super) fn pad(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let mode = sketch.random.pick(&["constant", "constant", "reflect", "edge"]);
    let mut pads = vec![0i64; 2 * rank];
    let mut shape = value.shape.clone();
    for (axis, extent) in shape.iter_mut().enumerate().skip(1) {
        let most = if mode == "reflect" { value.shape[axis].min(3) } else { 3 };
        for end in [axis, rank + axis] {
            let more = sketch.random.within(0..most);
            pads[end] = more as i64;
            *extent += more;
        }
    }
    if !sketch.fits(&shape) {
        return None;
    }
    let pads = sketch.integers(&pads);
    let mut operands = vec![value, &pads];
    let filler = sketch.random.pick(&[0.0, 0.5]);
    let filler = sketch.floats(&[], &[filler]);
    if mode == "constant" && sketch.random.once_in(2) {
        operands.push(&filler);
    }
    Some(sketch.node("Pad", &operands, &shape, vec![string("mode", mode)]))
}

/// Positions of an axis in any order, some several times.
pub(super) fn gather(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let axis = sketch.random.within(0..rank);
    let size = value.shape[axis];
    let count = sketch.random.within(1..5);
    let positions: Vec<i64> = (0..count).map(|_| sketch.random.integer(-(size as i64)..size as i64)).collect();
    let mut shape = value.shape.clone();
    shape[axis] = count;
    if !sketch.fits(&shape) {
        return None;
    }
    let positions = sketch.integers(&positions);
    let axis = sketch.axis_of(axis, rank);
    Some(sketch.node("Gather", &[value, &positions], &shape, vec![int("axis", axis)]))
}

/// Repetition: along axes of size 1, or of the whole.
pub(super) fn repeat(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let times: Vec<usize> = (0..rank).map(|_| sketch.random.pick(&[1, 1, 2, 3])).collect();
    if sketch.random.once_in(2) {
        let shape: Vec<usize> = value.shape.iter().zip(&times).map(|(size, times)| size * times).collect();
        if !sketch.fits(&shape) {
            return None;
        }
        let times = sketch.integers(&times.iter().map(|&times| times as i64).collect::<Vec<_>>());
        return Some(sketch.node("Tile", &[value, &times], &shape, vec![]));
    }
    let repeated = |(&size, &times): (&usize, &usize)| if size == 1 { times } else { size };
    let shape: Vec<usize> = value.shape.iter().zip(&times).map(repeated).collect();
    if !sketch.fits(&shape) {
        return None;
    }
    let target = sketch.integers(&shape.iter().map(|&size| size as i64).collect::<Vec<_>>());
    Some(sketch.node("Expand", &[value, &target], &shape, vec![]))
}

/// Joined along any axis with another value or itself.
pub(super) fn concat(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let other = sketch.pick_live();
    let rank = value.shape.len();
    if other.shape.len() != rank {
        return None;
    }
    let different: Vec<usize> = (0..rank).filter(|&axis| value.shape[axis] != other.shape[axis]).collect();
    let axis = match different.as_slice() {
        [] => sketch.random.within(0..rank),
        [axis] => *axis,
        _ => return None,
    };
    let mut shape = value.shape.clone();
    shape[axis] += other.shape[axis];
    if !sketch.fits(&shape) {
        return None;
    }
    let axis = sketch.axis_of(axis, rank);
    Some(sketch.node("Concat", &[value, &other], &shape, vec![int("axis", axis)]))
}

/// Positions of the largest elements: a result that nothing reads.
pub(super) fn arg_max(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let axis = sketch.random.within(0..rank);
    let mut shape = value.shape.clone();
    shape[axis] = 1;
    let operator = sketch.random.pick(&["ArgMax", "ArgMin"]);
    let axis = sketch.axis_of(axis, rank);
    let result = sketch.node(operator, &[value], &shape, vec![int("axis", axis), int("keepdims", 1)]);
    sketch.output(&result);
    None
}

/// Centred and scaled along the last axis, as layer normalisation is written before it was an operator.
pub(super) fn written_out_normalization(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let (rank, shape) = (value.shape.len(), value.shape.clone());
    if shape[rank - 1] < 3 {
        return None;
    }
    let mut reduced = shape.clone();
    reduced[rank - 1] = 1;
    let mean = sketch.with_axes("ReduceMean", 18, value, &[-1], &reduced, vec![int("keepdims", 1)]);
    let centred = sketch.node("Sub", &[value, &mean], &shape, vec![]);
    let two = sketch.floats(&[], &[2.0]);
    let square = sketch.node("Pow", &[&centred, &two], &shape, vec![]);
    let variance = sketch.with_axes("ReduceMean", 18, &square, &[-1], &reduced, vec![int("keepdims", 1)]);
    let epsilon = sketch.floats(&[], &[0.05]);
    let shifted = sketch.node("Add", &[&variance, &epsilon], &reduced, vec![]);
    let deviation = sketch.unary("Sqrt", &shifted);
    Some(sketch.node("Div", &[&centred, &deviation], &shape, vec![]))
}

/// Matrix products: with a constant on either side, or of two values.
pub(super) fn matrix_product(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let [.., rows, depth] = *value.shape.as_slice() else { return None };
    let mut shape = value.shape.clone();
    match sketch.random.within(0..4) {
        0 | 1 => {
            shape[rank - 1] = sketch.random.within(1..9);
            if !sketch.fits(&shape) {
                return None;
            }
            let weights = sketch.weights(&[depth, shape[rank - 1]], depth);
            Some(sketch.node("MatMul", &[value, &weights], &shape, vec![]))
        }
        2 => {
            shape[rank - 2] = sketch.random.within(1..9);
            if !sketch.fits(&shape) {
                return None;
            }
            let weights = sketch.weights(&[shape[rank - 2], rows], rows);
            Some(sketch.node("MatMul", &[&weights, value], &shape, vec![]))
        }
        _ => {
            // x times its own transpose.
            let mut permutation: Vec<usize> = (0..rank).collect();
            permutation.swap(rank - 2, rank - 1);
            shape[rank - 1] = rows;
            if !sketch.fits(&shape) || depth > 16 {
                return None;
            }
            let turned = sketch.transpose(value, &permutation);
            Some(sketch.node("MatMul", &[value, &turned], &shape, vec![]))
        }
    }
}

/// Attention over a sequence `[1, length, depth]`, with one or two heads.
pub(super) fn attention(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [1, length, depth] = *value.shape.as_slice() else { return None };
    let heads = if depth.is_multiple_of(2) { sketch.random.pick(&[1, 2]) } else { 1 };
    let inner = depth / heads;
    if length * length * heads > 400 {
        return None;
    }
    let project = |sketch: &mut Sketch| {
        let weights = sketch.weights(&[depth, depth], depth);
        let projected = sketch.node("MatMul", &[value, &weights], &value.shape, vec![]);
        if heads == 1 {
            return projected;
        }
        let parted = sketch.reshape(&projected, &[1, length, heads, inner]);
        sketch.transpose(&parted, &[0, 2, 1, 3])
    };
    let [query, key, content] = [0; 3].map(|_| project(sketch));
    let rank = query.shape.len();
    let mut permutation: Vec<usize> = (0..rank).collect();
    permutation.swap(rank - 2, rank - 1);
    let key = sketch.transpose(&key, &permutation);
    let mut square = query.shape.clone();
    square[rank - 1] = length;
    let scores = sketch.node("MatMul", &[&query, &key], &square, vec![]);
    let scale = sketch.floats(&[], &[(1.0 / inner as f32).sqrt()]);
    let scores = sketch.node("Mul", &[&scores, &scale], &square, vec![]);
    let weights = sketch.softmax(&scores, rank - 1);
    let seen = sketch.node("MatMul", &[&weights, &content], &query.shape, vec![]);
    let joined = if heads == 1 {
        seen
    } else {
        let back = sketch.transpose(&seen, &[0, 2, 1, 3]);
        sketch.reshape(&back, &value.shape)
    };
    Some(sketch.node("Add", &[value, &joined], &value.shape, vec![]))
}

/// Layer normalisation over the last axis.
pub(super) fn layer_normalization(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let last = *value.shape.last()?;
    if sketch.opset < 17 || last < 3 {
        return None;
    }
    let scale = sketch.constant(&[last], 0.5, 1.5);
    let bias = sketch.constant(&[last], -0.5, 0.5);
    let attributes = vec![int("axis", -1), float("epsilon", 0.01)];
    Some(sketch.node("LayerNormalization", &[value, &scale, &bias], &value.shape.clone(), attributes))
}

/// Sums along an axis.
pub(super) fn cumulative_sum(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let axis = sketch.random.within(0..rank);
    if value.shape[axis] > 8 {
        return None;
    }
    let position = sketch.integer(axis as i64);
    let attributes = vec![int("reverse", sketch.random.integer(0..2)), int("exclusive", sketch.random.integer(0..2))];
    Some(sketch.node("CumSum", &[value, &position], &value.shape.clone(), attributes))
}

/// A part of a Gemm: transposed operands and factors.
pub(super) fn scaled_product(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let [rows, columns] = *value.shape.as_slice() else { return None };
    let turned = rows > 1 && sketch.random.once_in(3);
    let (rows, depth) = if turned { (columns, rows) } else { (rows, columns) };
    let out = sketch.random.within(1..9);
    if !sketch.fits(&[rows, out]) {
        return None;
    }
    let weights_turned = sketch.random.once_in(2);
    let weights = if weights_turned { [out, depth] } else { [depth, out] };
    let weights = sketch.weights(&weights, depth);
    let bias = match sketch.random.within(0..3) {
        0 => vec![],
        1 => vec![out],
        _ => vec![1, out],
    };
    let bias = sketch.constant(&bias, -0.5, 0.5);
    let attributes = vec![
        int("transA", i64::from(turned)),
        int("transB", i64::from(weights_turned)),
        float("alpha", 0.75),
        float("beta", 1.25),
    ];
    Some(sketch.node("Gemm", &[value, &weights, &bias], &[rows, out], attributes))
}

/// Above a limit or not, as numbers; a result that nothing reads.
pub(super) fn comparison(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let limit = sketch.random.real(-0.5, 0.5) as f32;
    let limit = sketch.floats(&[], &[limit]);
    let operator = sketch.random.pick(&["Greater", "Less"]);
    let above = sketch.node(operator, &[value, &limit], &value.shape.clone(), vec![]);
    let result = sketch.node("Cast", &[&above], &value.shape.clone(), vec![int("to", 1)]);
    sketch.output(&result);
    None
}

/// A slice by attributes, padded back.
pub(super) fn shift(sketch: &mut Sketch, value: &Value) -> Option<Value> {
    let rank = value.shape.len();
    let axis = sketch.random.within(0..rank);
    let size = value.shape[axis];
    if size < 2 {
        return None;
    }
    let mut shape = value.shape.clone();
    shape[axis] = size - 1;
    let operands = [vec![1], vec![i64::MAX], vec![axis as i64]].map(|items| sketch.integers(&items));
    let [starts, ends, axes] = &operands;
    let rest = sketch.node("Slice", &[value, starts, ends, axes], &shape, vec![]);
    let mut pads = vec![0; 2 * rank];
    pads[rank + axis] = 1;
    let pads = sketch.integers(&pads);
    Some(sketch.node("Pad", &[&rest, &pads], &value.shape, vec![string("mode", "constant")]))
}
