//! Resampling: per axis a choice of positions (`nearest`), an interpolation between two (`linear`), or a matrix of
//! weights (`cubic`, and what is smoothed on the way down).

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::{Resize, Tap};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::{DataType, Tensor, element_count};

/// Elements of the largest matrix that one axis is resampled with.
const MAX_WEIGHTS: usize = 1 << 22;

/// What the attributes say.
struct Resampling<'a> {
    mode: &'a str,
    coordinates: &'a str,
    nearest: &'a str,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
}

/// One axis on its way from `from` to `to` elements.
struct Axis {
    from: usize,
    to: usize,
    scale: f64,
}

/// `Resize`. The region of interest of `tf_crop_and_resize` is refused.
pub(super) fn resize(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let old = lowering.opset < 11;
    let attributes = &mut lowering.attributes;
    let coordinates = attributes.string("coordinate_transformation_mode")?;
    let antialias = attributes.flag("antialias", false)?;
    let policy = attributes.string("keep_aspect_ratio_policy")?.unwrap_or("stretch");
    attributes.ignore(&["extrapolation_value"]);
    let resampling = Resampling {
        mode: attributes.string("mode")?.unwrap_or("nearest"),
        coordinates: coordinates.unwrap_or(if old { "asymmetric" } else { "half_pixel" }),
        nearest: attributes.string("nearest_mode")?.unwrap_or(if old { "floor" } else { "round_prefer_floor" }),
        cubic: f64::from(attributes.float("cubic_coeff_a")?.unwrap_or(-0.75)),
        exclude_outside: attributes.flag("exclude_outside", false)?,
        antialias,
    };
    let axes = attributes.ints("axes")?.map(<[i64]>::to_vec);
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let axes = match axes {
        Some(axes) => {
            lowering.axes(&axes, source.len())?;
            axes.iter().map(|&axis| lowering.axis(axis, source.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..source.len()).collect(),
    };
    let (scales, sizes) = if old { (1, usize::MAX) } else { (2, 3) };
    let given_sizes = lowering.optional_integers(sizes)?.filter(|sizes| !sizes.is_empty());
    let mut plan = Vec::with_capacity(axes.len());
    if let Some(sizes) = given_sizes {
        plan = by_sizes(&sizes, &axes, &source, policy)?;
    } else {
        let scales = lowering.constant_f32(scales)?;
        if scales.len() != axes.len() {
            return Err(refuse("scales", format!("{} numbers", scales.len()), "one per axis"));
        }
        for (&axis, &scale) in axes.iter().zip(scales) {
            plan.push((axis, scaled(source[axis], scale)?));
        }
    }
    apply(lowering, operand, &plan, &resampling)
}

/// `Upsample`, which newer operator sets call `Resize`.
pub(super) fn upsample(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let operand = lowering.input(0)?;
    let source = lowering.shape(operand);
    let mode = match lowering.attributes.string("mode")?.unwrap_or("nearest") {
        "bilinear" | "trilinear" => "linear",
        other => other,
    };
    let scales = match lowering.attributes.floats("scales")? {
        Some(scales) => scales.to_vec(),
        None => lowering.constant_f32(1)?.to_vec(),
    };
    if scales.len() != source.len() {
        return Err(refuse("scales", format!("{} numbers", scales.len()), "one per axis"));
    }
    let plan = source.iter().zip(&scales).enumerate();
    let plan =
        plan.map(|(axis, (&from, &scale))| Ok((axis, scaled(from, scale)?))).collect::<Result<Vec<_>, Reason>>()?;
    let resampling = Resampling {
        mode,
        coordinates: "asymmetric",
        nearest: "floor",
        cubic: -0.75,
        exclude_outside: false,
        antialias: false,
    };
    apply(lowering, operand, &plan, &resampling)
}

fn scaled(from: usize, scale: f32) -> Result<Axis, Reason> {
    let to = (from as f64 * f64::from(scale)).floor();
    if !(scale > 0.0 && to < f64::from(1 << 24)) {
        return Err(refuse("scales", scale.to_string(), "positive numbers that give a sensible size are expected"));
    }
    Ok(Axis { from, to: to as usize, scale: f64::from(scale) })
}

fn by_sizes(sizes: &[i64], axes: &[usize], source: &[usize], policy: &str) -> Result<Vec<(usize, Axis)>, Reason> {
    let refuse_sizes = || refuse("sizes", format!("{sizes:?}"), "one number per axis is expected");
    if sizes.len() != axes.len() {
        return Err(refuse_sizes());
    }
    let mut plan = Vec::with_capacity(axes.len());
    for (&axis, &to) in axes.iter().zip(sizes) {
        let to = u32::try_from(to).ok().filter(|&to| to < 1 << 24).ok_or_else(refuse_sizes)?;
        if source[axis] == 0 {
            return Err(refuse_sizes());
        }
        let scale = f64::from(to) / source[axis] as f64;
        plan.push((axis, Axis { from: source[axis], to: to as usize, scale }));
    }
    let scales = plan.iter().map(|(_, axis)| axis.scale);
    let common = match policy {
        "stretch" => return Ok(plan),
        "not_larger" => scales.fold(f64::INFINITY, f64::min),
        "not_smaller" => scales.fold(0.0, f64::max),
        other => {
            return Err(refuse("keep_aspect_ratio_policy", other, "stretch, not_larger or not_smaller is expected"));
        }
    };
    for (_, axis) in &mut plan {
        axis.scale = common;
        axis.to = (common * axis.from as f64 + 0.5).floor() as usize;
    }
    Ok(plan)
}

fn apply(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    plan: &[(usize, Axis)],
    resampling: &Resampling<'_>,
) -> Result<(), Reason> {
    let mut shape = lowering.shape(operand);
    for (axis, change) in plan {
        shape[*axis] = change.to;
    }
    element_count(&shape)?;
    let mut result = operand;
    // Neighbouring axes are interpolated together.
    let mut linear: Vec<(usize, Vec<Tap>)> = Vec::new();
    for (axis, change) in plan {
        if change.scale == 1.0 && change.from == change.to {
            continue;
        }
        if change.from == 0 || change.to == 0 {
            return Err(Reason::Operand("an axis without elements cannot be resized".to_owned()));
        }
        if resampling.mode == "nearest" {
            let positions =
                (0..change.to).map(|index| nearest(index, change, resampling)).collect::<Result<Vec<_>, _>>()?;
            result = lowering.pick(result, *axis, &positions)?;
            continue;
        }
        if lowering.data_type(result) != DataType::F32 {
            return Err(Reason::Operand("only floating-point operands are supported".to_owned()));
        }
        lowering.reserve(size_of::<Tap>().saturating_mul(change.to))?;
        let weights = (0..change.to).map(|index| weigh(index, change, resampling)).collect::<Result<Vec<_>, _>>()?;
        match weights.iter().map(tap).collect::<Option<Vec<Tap>>>() {
            Some(taps) if shape.len() > 1 => linear.push((*axis, taps)),
            _ => result = by_matrix(lowering, result, *axis, change, &weights)?,
        }
    }
    linear.sort_by_key(|(axis, _)| *axis);
    while let Some((axis, columns)) = linear.pop() {
        let resize = match linear.last() {
            Some((before, _)) if before + 1 == axis => {
                let rows = linear.pop().map_or_else(Vec::new, |(_, rows)| rows);
                Resize { first_axis: axis - 1, rows, columns }
            }
            _ if axis > 0 => {
                Resize { first_axis: axis - 1, rows: Tap::identity(lowering.shape(result)[axis - 1]), columns }
            }
            _ => Resize { first_axis: 0, rows: columns, columns: Tap::identity(lowering.shape(result)[1]) },
        };
        result = lowering.emit(Op::Resize(resize), &[result])?;
    }
    lowering.set_output(0, result);
    Ok(())
}

/// Where in the source the centre of a result lies.
fn coordinate(index: usize, axis: &Axis, resampling: &Resampling<'_>) -> Result<f64, Reason> {
    let (x, from, scale) = (index as f64, axis.from as f64, axis.scale);
    let length = from * scale;
    Ok(match resampling.coordinates {
        "half_pixel" => (x + 0.5) / scale - 0.5,
        "half_pixel_symmetric" => {
            let adjustment = axis.to as f64 / length;
            from / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
        }
        "pytorch_half_pixel" => {
            if length > 1.0 {
                (x + 0.5) / scale - 0.5
            } else {
                0.0
            }
        }
        "align_corners" => {
            if length > 1.0 {
                x * (from - 1.0) / (length - 1.0)
            } else {
                0.0
            }
        }
        "asymmetric" => x / scale,
        other => return Err(refuse("coordinate_transformation_mode", other, "it is not supported")),
    })
}

fn nearest(index: usize, axis: &Axis, resampling: &Resampling<'_>) -> Result<usize, Reason> {
    let x = coordinate(index, axis, resampling)?;
    let half = x - x.floor() == 0.5;
    let rounded = match resampling.nearest {
        "round_prefer_floor" if half => x.floor(),
        "round_prefer_ceil" if half => x.ceil(),
        "round_prefer_floor" | "round_prefer_ceil" => x.round(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        other => return Err(refuse("nearest_mode", other, "it is not supported")),
    };
    Ok(rounded.clamp(0.0, (axis.from - 1) as f64) as usize)
}

/// What a result is made of: positions of the source, ascending and each once, with their weights.
type Weights = Vec<(usize, f64)>;

/// The weights as an interpolation between two positions, if they are one.
fn tap(weights: &Weights) -> Option<Tap> {
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if (sum - 1.0).abs() > 1e-12 {
        return None;
    }
    match *weights.as_slice() {
        [(low, _)] => Some(Tap { low, high: low, weight: 0.0 }),
        [(low, _), (high, weight)] if (0.0..=1.0).contains(&weight) => Some(Tap { low, high, weight: weight as f32 }),
        _ => None,
    }
}

/// Any weights, as a matrix that every line of the operand is multiplied with.
fn by_matrix(
    lowering: &mut Lowering<'_>,
    operand: ValueId,
    axis: usize,
    change: &Axis,
    weights: &[Weights],
) -> Result<ValueId, Reason> {
    if change.from.saturating_mul(change.to) > MAX_WEIGHTS {
        return Err(Reason::TooLarge);
    }
    lowering.reserve(4 * change.from * change.to)?;
    let mut matrix = vec![0.0f32; change.from * change.to];
    for (row, weights) in matrix.chunks_exact_mut(change.from).zip(weights) {
        for &(position, weight) in weights {
            row[position] += weight as f32;
        }
    }
    let matrix = lowering.add_file_constant(Tensor::from_vec(vec![change.to, change.from], matrix)?);
    lowering.along(operand, axis, matrix)
}

/// The source elements that one result is made of.
fn weigh(index: usize, axis: &Axis, resampling: &Resampling<'_>) -> Result<Weights, Reason> {
    let x = coordinate(index, axis, resampling)?;
    let reach = match resampling.mode {
        "linear" => 1.0,
        "cubic" => 2.0,
        other => return Err(refuse("mode", other, "nearest, linear or cubic is expected")),
    };
    let shrink = if resampling.antialias { axis.scale.min(1.0) } else { 1.0 };
    let filter = |distance: f64| {
        let distance = distance.abs() * shrink;
        let a = resampling.cubic;
        if resampling.mode == "linear" {
            (1.0 - distance).max(0.0)
        } else if distance <= 1.0 {
            ((a + 2.0) * distance - (a + 3.0)) * distance * distance + 1.0
        } else if distance < 2.0 {
            ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
        } else {
            0.0
        }
    };
    let reach = reach / shrink;
    // Far outside, every tap is the border.
    let last = (axis.from - 1) as f64;
    let (first, end) = ((x - reach).ceil(), (x + reach).floor());
    if !(first.is_finite() && end.is_finite() && end - first < f64::from(1 << 20)) {
        return Err(Reason::TooLarge);
    }
    let mut taps: Weights = Vec::new();
    let mut position = first;
    while position <= end {
        let outside = position < 0.0 || position > last;
        let (at, weight) = (position.clamp(0.0, last) as usize, filter(position - x));
        if !(outside && resampling.exclude_outside) && weight != 0.0 {
            // Beyond the border, the border itself repeats.
            match taps.last_mut() {
                Some((known, sum)) if *known == at => *sum += weight,
                _ => taps.push((at, weight)),
            }
        }
        position += 1.0;
    }
    if resampling.exclude_outside || resampling.antialias {
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut taps {
            *weight /= sum;
        }
    }
    Ok(taps)
}
