//! What a page must know of a model, as numbers.

#[cfg(any(images, fields))]
use bantam::Preprocessing;
use bantam::{Backend, DataType, IoTensor, Opcode, SectionKind, Session};

use crate::notes::Notes;

/// Bytes of the arena, multiply-accumulates of a run, number of inputs, number of outputs, 1 where vector instructions run.
pub(crate) fn model(session: &Session<'_, '_>, notes: &mut Notes) {
    let model = session.model();
    notes.push(model.arena_bytes() as f64);
    notes.push(model.artifact().macs() as f64);
    notes.push(model.inputs().count() as f64);
    notes.push(model.outputs().count() as f64);
    notes.push(f64::from(u8::from(session.backend() != Backend::Scalar)));
}

/// An input, or an output where `index` counts on: index of its tensor, code of its data type, address, elements, scale,
/// zero point, a detail, rank, dimensions. The detail of an input: 0 is raw, 1 made from images, 2 from fields. That of
/// an output: 1 where its values are probabilities. Nothing where there is no such tensor.
pub(crate) fn tensor(session: &mut Session<'_, '_>, index: usize, notes: &mut Notes) {
    let model = session.model();
    let inputs = model.inputs().count();
    if let Some(io) = model.inputs().nth(index) {
        #[cfg(any(images, fields))]
        let way = match model.artifact().preprocessing(index) {
            None => 0,
            Some(Preprocessing::Image { .. }) => 1,
            Some(Preprocessing::Fields { .. }) => 2,
        };
        #[cfg(not(any(images, fields)))]
        let way = 0;
        let address = session.input_bytes_mut(index).map_or(0, |bytes| bytes.as_ptr().addr());
        describe(notes, &io, address, way);
    } else if let Some(io) = model.outputs().nth(index - inputs) {
        let address = session.output_bytes(index - inputs).map_or(0, |bytes| bytes.as_ptr().addr());
        describe(notes, &io, address, u8::from(is_probability(session, &io)));
    }
}

/// Address and length of a section, by the code of its kind.
pub(crate) fn section(session: &Session<'_, '_>, code: usize, notes: &mut Notes) {
    if let Some(kind) = u16::try_from(code).ok().and_then(SectionKind::from_code) {
        notes.point_at(session.model().artifact().section(kind));
    }
}

/// Address and length of the names of an input's fields.
#[cfg_attr(not(fields), allow(unused))]
pub(crate) fn field_names(session: &Session<'_, '_>, input: usize, notes: &mut Notes) {
    #[cfg(fields)]
    if let Some(Preprocessing::Fields { names, .. }) = session.model().artifact().preprocessing(input) {
        notes.point_at(names.bytes());
    }
}

fn describe(notes: &mut Notes, io: &IoTensor, address: usize, detail: u8) {
    let shape = &io.tensor.shape;
    notes.push(io.index as f64);
    notes.push(f64::from(io.tensor.data_type.code()));
    notes.push(address as f64);
    notes.push(shape.elements() as f64);
    notes.push(f64::from(io.scale));
    notes.push(f64::from(io.zero_point));
    notes.push(f64::from(detail));
    notes.push(shape.dimensions().len() as f64);
    shape.dimensions().iter().for_each(|&dimension| notes.push(f64::from(dimension)));
}

/// Whether an output can only be between 0 and 1: an 8-bit one by its scale, a float one by the op that makes it.
fn is_probability(session: &Session<'_, '_>, io: &IoTensor) -> bool {
    if io.tensor.data_type == DataType::I8 {
        let real = |q: i32| (q - io.zero_point) as f32 * io.scale;
        return real(-128) >= 0.0 && real(127) <= 1.0;
    }
    let artifact = session.model().artifact();
    let mut tensor = io.index;
    for index in (0..artifact.op_count()).rev() {
        let Some(op) = artifact.op(index) else { continue };
        if op.operand(op.input_count) != tensor {
            continue;
        }
        match op.opcode {
            Opcode::Softmax => return true,
            Opcode::Reshape | Opcode::Dequantize => tensor = op.operand(0),
            _ => return false,
        }
    }
    false
}
