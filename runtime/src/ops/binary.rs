//! Evaluation of [`Opcode::Binary`](bantam_format::Opcode::Binary). The output takes the first input's values, repeated as the
//! shapes ask, and is combined with the second input in place; where it overlaps the second input it takes that one's.
//! Comparisons make another type, so they write a third tensor.

use super::{Context, Source};
use crate::kernels::direct;
use crate::kernels::dispatch::Backend;
use crate::kernels::generic::{Sum, Sums};
use crate::kernels::requantize::clamp_f32;
use crate::kernels::scalar::{self, FixedPointBinary, FixedPointSum, LinearBinary, RealBinary, Walk};
use crate::views::Element;
use bantam_format::ops::{self, BinaryKind};
use bantam_format::{Arithmetic, DataType};

/// The walk over input `position` in the order of the output.
fn walk<S: Source>(context: &Context<'_, S>, position: usize) -> Option<Walk> {
    let output = context.op.output(0).shape;
    Some(Walk::new(output.padded(), context.op.input(position).shape.broadcast(&output)?))
}

/// Applies a function in place: to the first input's values, which the output takes, and the second's.
fn combine<T: Element, S: Source>(context: &mut Context<'_, S>, function: impl Fn(T, T) -> T) -> Option<()> {
    let (first, second, output) = (context.op.input(0), context.op.input(1), context.op.output(0));
    if second.meets(&output) {
        context.in_place::<T>(1)?;
        let walk = walk(context, 0)?;
        let (values, data) = context.operands::<T, T>(0)?;
        scalar::binary(|second, first| function(first, second), walk.read(values), data);
        return Some(());
    }
    if first.shape.elements() == output.shape.elements() {
        context.in_place::<T>(0)?;
    } else {
        let walk = walk(context, 0)?;
        let (input, output) = context.operands::<T, T>(0)?;
        scalar::walk_copy(walk, input, output);
    }
    let walk = walk(context, 1)?;
    let (values, data) = context.operands::<T, T>(1)?;
    // Most often the second repeats as a whole.
    if second.shape.elements() == 1 || output.shape.dimensions().ends_with(second.shape.dimensions()) {
        for data in data.chunks_mut(values.len().max(1)) {
            scalar::binary(&function, values.iter().copied(), data);
        }
    } else {
        scalar::binary(function, walk.read(values), data);
    }
    Some(())
}

/// Writes 0 or 1.
fn compare<T: Element, S: Source>(context: &mut Context<'_, S>, function: impl Fn(T, T) -> bool) -> Option<()> {
    let (first, second) = (walk(context, 0)?, walk(context, 1)?);
    let (sources, output) = context.sources::<i32>()?;
    let (left, right) = (sources.input::<T>(0)?, sources.input::<T>(1)?);
    for ((out, a), b) in output.iter_mut().zip(first.read(left)).zip(second.read(right)) {
        *out = i32::from(function(a, b));
    }
    Some(())
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.is(DataType::F32) {
        let attributes = ops::FloatBinary::read(context.op.attributes());
        let kind = BinaryKind::from_code(attributes.kind)?;
        if kind.is_comparison() {
            return compare(context, |a: f32, b: f32| scalar::compare(kind, a, b));
        }
        let clamp = [attributes.clamp_min, attributes.clamp_max];
        // Loops of their own, in vectors, where programs may be larger.
        let quick = S::PACKS && !cfg!(target_arch = "wasm32");
        match kind {
            BinaryKind::Add if quick => combine(context, |a, b| clamp_f32(a + b, clamp)),
            BinaryKind::Mul if quick => combine(context, |a, b| clamp_f32(a * b, clamp)),
            // A page has one for what joins branches of networks.
            BinaryKind::Add if S::PACKS && is_whole(context) => {
                let own = usize::from(context.op.input(1).meets(&context.op.output(0)));
                context.in_place::<f32>(own)?;
                let (values, data) = context.operands::<f32, f32>(1 - own)?;
                scalar::binary(|a, b| clamp_f32(a + b, clamp), values.iter().copied(), data);
                Some(())
            }
            kind => combine(context, |a, b| scalar::binary_f32(kind, clamp, a, b)),
        }
    } else if context.is(DataType::I32) {
        let kind = BinaryKind::from_code(ops::WordBinary::read(context.op.attributes()).kind)?;
        if kind.is_comparison() {
            return compare(context, |a: i32, b: i32| scalar::compare(kind, a, b));
        }
        combine(context, |a: i32, b: i32| scalar::binary_i32(kind, a, b))
    } else if context.is(DataType::I16) {
        let attributes = ops::WideBinary::read(context.op.attributes());
        let multipliers = [
            (attributes.first_multiplier, attributes.first_shift),
            (attributes.second_multiplier, attributes.second_shift),
            (attributes.output_multiplier, attributes.output_shift),
        ];
        let parameters = FixedPointBinary {
            kind: BinaryKind::from_code(attributes.kind)?,
            zero_points: [0; 3],
            clamp: [attributes.clamp_min, attributes.clamp_max].map(i32::from),
            multipliers,
            wide: true,
        };
        integers(context, &parameters, |value| value as i16)
    } else {
        let attributes = ops::IntegerBinary::read(context.op.attributes());
        let zero_points =
            [attributes.first_zero_point, attributes.second_zero_point, attributes.output_zero_point].map(i32::from);
        let multipliers = [
            (attributes.first_multiplier, attributes.first_shift),
            (attributes.second_multiplier, attributes.second_shift),
            (attributes.output_multiplier, attributes.output_shift),
        ];
        let parameters = FixedPointBinary {
            kind: BinaryKind::from_code(attributes.kind)?,
            zero_points,
            clamp: [attributes.clamp_min, attributes.clamp_max].map(i32::from),
            multipliers,
            wide: false,
        };
        // On devices sums of 8-bit integers have a short form.
        if S::DIRECT
            && context.arithmetic() == Arithmetic::Tflite
            && let Some(sum) = FixedPointSum::new(&parameters)
        {
            return add(context, &sum);
        }
        if S::PACKS
            && let Some(done) = add_packed(context, &parameters)
        {
            return done;
        }
        integers(context, &parameters, |value| value as i8)
    }
}

/// Whether neither input is repeated.
fn is_whole<S: Source>(context: &Context<'_, S>) -> bool {
    let elements = context.op.output(0).shape.elements();
    [0, 1].iter().all(|&input| context.op.input(input).shape.elements() == elements)
}

/// A sum or a difference of 8-bit integers.
fn add<S: Source>(context: &mut Context<'_, S>, sum: &FixedPointSum) -> Option<()> {
    let (first, second, output) = (context.op.input(0), context.op.input(1), context.op.output(0));
    let whole = [&first, &second].iter().all(|input| input.shape.elements() == output.shape.elements());
    let (own, ordered) = if second.meets(&output) { (1, sum.swapped()) } else { (0, Some(*sum)) };
    match ordered.filter(|_| whole) {
        Some(sum) => {
            context.in_place::<i8>(own)?;
            let (values, data) = context.operands::<i8, i8>(1 - own)?;
            direct::add(&sum, values, data);
            Some(())
        }
        None => combine(context, |a, b| sum.compute_bytes(a, b)),
    }
}

/// The same with the vectors of a machine; `None` where the oracle has to run.
fn add_packed<S: Source>(context: &mut Context<'_, S>, parameters: &FixedPointBinary) -> Option<Option<()>> {
    let backend = context.backend;
    if !is_whole(context) || backend == Backend::Scalar {
        return None;
    }
    let sum = Sum::new(parameters, context.arithmetic() == Arithmetic::Tflite)?;
    let swapped = context.op.input(1).meets(&context.op.output(0));
    let own = usize::from(swapped);
    context.in_place::<i8>(own)?;
    let (values, data) = context.operands::<i8, i8>(1 - own)?;
    let sum = if swapped { sum.swapped() } else { sum };
    Some(backend.run(false, Sums { sum, data, values, exact: parameters, swapped }))
}

/// Integers of 8 or 16 bits, which `narrow` makes of words.
fn integers<T: Element + Into<i32>, S: Source>(
    context: &mut Context<'_, S>,
    parameters: &FixedPointBinary,
    narrow: impl Fn(i32) -> T,
) -> Option<()> {
    let &FixedPointBinary { kind, zero_points, clamp, multipliers, wide } = parameters;
    if (wide || context.arithmetic() == Arithmetic::Tflite) && kind.is_integer_arithmetic() {
        if kind.is_comparison() {
            return compare_words(context, |a: T, b| parameters.compare(a.into(), b.into()));
        }
        return combine_words(context, |a: T, b| narrow(parameters.compute(a.into(), b.into())));
    }
    if !wide && context.arithmetic() != Arithmetic::Tflite && kind.is_integer_arithmetic() {
        let parameters = LinearBinary::new(parameters);
        return combine_words(context, |a: T, b| narrow(parameters.compute(a.into(), b.into())));
    }
    if !context.links_real_values() {
        return None;
    }
    let scales = multipliers.map(|(multiplier, _)| f32::from_bits(multiplier));
    let parameters = RealBinary { kind, zero_points, clamp, scales };
    if kind.is_comparison() {
        return compare_words(context, |a: T, b| parameters.compare(a.into(), b.into()));
    }
    combine_words(context, |a: T, b| narrow(parameters.compute(a.into(), b.into())))
}

/// [`combine`], of which a download has one for all functions of a type.
#[inline(always)]
fn combine_words<T: Element, S: Source>(context: &mut Context<'_, S>, function: impl Fn(T, T) -> T) -> Option<()> {
    #[cfg(target_arch = "wasm32")]
    let function: &dyn Fn(T, T) -> T = &function;
    combine(context, function)
}

/// The same of [`compare`].
#[inline(always)]
fn compare_words<T: Element, S: Source>(context: &mut Context<'_, S>, function: impl Fn(T, T) -> bool) -> Option<()> {
    #[cfg(target_arch = "wasm32")]
    let function: &dyn Fn(T, T) -> bool = &function;
    compare(context, function)
}
