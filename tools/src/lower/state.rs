//! What a model keeps between runs.

use super::builder::{Builder, Form};
use super::{Precision, Unsupported};
use crate::graph::ValueId;
use bantam_format::{Opcode, StateRecord, TensorKind};

/// Makes the tensors of all states. Ranges do not tell how far a state can grow: quantising one is refused.
pub(super) fn declare(builder: &mut Builder<'_>, precision: Precision<'_>) -> Vec<Unsupported> {
    let graph = builder.graph;
    let mut refused = Vec::new();
    for (read, _, initial) in graph.states() {
        if matches!(precision, Precision::Int8 { .. }) {
            refused.push(Unsupported {
                node: read.name.clone(),
                operator: "state".into(),
                reason: "state of a float model cannot be quantised yet; keep floats with --float".into(),
            });
        }
        let tensor = builder.activation(read.value);
        let form = builder.form(read.value);
        let constant = builder.stored(read.value, initial, form);
        let initial_value = builder.tensors[usize::from(constant)].location;
        builder.tensors[usize::from(tensor)].kind = TensorKind::State;
        builder.states.push(StateRecord { tensor, reserved: 0, initial_value });
        builder.forget(constant);
    }
    refused
}

/// After everything was read: stores the next values. Those that are other states' present ones are set aside first.
pub(super) fn update(builder: &mut Builder<'_>) {
    let graph = builder.graph;
    let ports: Vec<(ValueId, ValueId)> = graph.states().map(|(read, next, _)| (read.value, next.value)).collect();
    let mut stores = Vec::new();
    for (read, next) in ports {
        let (form, target) = (builder.form(read), builder.activation(read));
        let mut source = builder.read(next, form);
        let is_state = builder.tensors[usize::from(source)].kind == TensorKind::State;
        if source == target {
            continue;
        }
        if is_state {
            source = copied(builder, source, form, read);
        }
        stores.push((source, target, graph.value(next).name.clone()));
    }
    for (source, target, name) in stores {
        builder.emit(&name, Opcode::Reshape, vec![source], target, vec![]);
    }
}

/// A copy of a state as it is now.
fn copied(builder: &mut Builder<'_>, source: u16, form: Form, value: ValueId) -> u16 {
    let graph = builder.graph;
    let (name, shape) = (graph.value(value).name.clone(), graph.value(value).shape.clone());
    let copy = builder.temporary(&name, form, &shape);
    builder.emit(&name, Opcode::Reshape, vec![source], copy, vec![]);
    copy
}
