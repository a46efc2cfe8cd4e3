//! Failures as numbers.

use bantam::{LoadError, SessionError};

use crate::notes::Notes;

/// Why there is no session. The first number is the kind, the others are its operands.
pub(crate) enum Failure {
    /// 1: the file breaks a rule: its number, then the operands of the rule.
    Load(LoadError),
    /// 2: the operator of op (first operand) with this opcode (second) is not linked. 3: the arithmetic is not linked.
    /// 6: elements of a type with this code are not linked. 4: any other mistake of the bindings.
    Session(SessionError),
    /// 5: there is not enough memory.
    Memory,
}

impl Failure {
    pub(crate) fn note(&self, notes: &mut Notes) {
        match self {
            Self::Load(error) => {
                notes.push(1.0);
                notes.push(f64::from(error.rule().0));
                error.operands().iter().for_each(|&operand| notes.push(operand as f64));
            }
            Self::Session(SessionError::OperatorNotLinked { op, opcode }) => {
                notes.push(2.0);
                notes.push(f64::from(*op));
                notes.push(f64::from(opcode.code()));
            }
            Self::Session(SessionError::ArithmeticNotLinked { arithmetic }) => {
                notes.push(3.0);
                notes.push(f64::from(arithmetic.code()));
            }
            Self::Session(SessionError::TypeNotLinked { data_type }) => {
                notes.push(6.0);
                notes.push(f64::from(data_type.code()));
            }
            Self::Session(_) => notes.push(4.0),
            Self::Memory => notes.push(5.0),
        }
    }
}
