//! Names and texts of the format's codes for the package, which has the prose that the module leaves out.

use std::collections::BTreeMap;

use bantam_format::{Arithmetic, LoadError, Opcode};

/// The module `generated.js`.
pub fn javascript() -> String {
    let operands = LoadError::OPERANDS.iter().map(|(_, names)| names);
    let rules: BTreeMap<u16, _> =
        LoadError::RULES.iter().zip(operands).map(|((rule, _, text), names)| (rule.0, (text, names))).collect();
    let opcodes: BTreeMap<u8, &str> = Opcode::ALL.iter().map(|opcode| (opcode.code(), opcode.name())).collect();
    let arithmetics: BTreeMap<u8, &str> = Arithmetic::ALL.iter().map(|it| (it.code(), it.name())).collect();
    let constant = |name: &str, value: serde_json::Value| format!("export const {name} = {value};\n");
    [
        constant("RULES", serde_json::json!(rules)),
        constant("OPCODES", serde_json::json!(opcodes)),
        constant("ARITHMETICS", serde_json::json!(arithmetics)),
    ]
    .concat()
}
