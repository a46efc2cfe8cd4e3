//! Attributes of a node. Reading marks an attribute as known, so that one nobody reads is found.

use super::constants;
use crate::import::Reason;
pub(super) use crate::import::error::refuse;
use crate::reference::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use crate::tensor::Tensor;

/// The attributes of one node.
pub(super) struct Attributes<'a> {
    list: &'a [AttributeProto],
    read: Vec<bool>,
}

impl<'a> Attributes<'a> {
    /// The attributes of `node`.
    ///
    /// # Errors
    /// [`Reason::Attribute`] if one appears twice or refers to a function's parameter.
    pub(super) fn new(node: &'a NodeProto) -> Result<Self, Reason> {
        let list = node.attribute.as_slice();
        let mut names: Vec<&str> = list.iter().map(|attribute| attribute.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refuse(pair[0], "given twice", "once is allowed"));
        }
        if let Some(attribute) = list.iter().find(|attribute| !attribute.ref_attr_name.is_empty()) {
            return Err(refuse(&attribute.name, "a function's parameter", "functions are not supported"));
        }
        Ok(Self { list, read: vec![false; list.len()] })
    }

    fn get(&mut self, name: &str, expected: AttributeType) -> Result<Option<&'a AttributeProto>, Reason> {
        let Some(position) = self.list.iter().position(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        self.read[position] = true;
        let attribute = &self.list[position];
        // Old writers leave the type out.
        match AttributeType::try_from(attribute.r#type) {
            Ok(AttributeType::Undefined) => Ok(Some(attribute)),
            Ok(found) if found == expected => Ok(Some(attribute)),
            Ok(found) => Err(refuse(name, found.as_str_name(), expected.as_str_name())),
            Err(_) => Err(refuse(name, "of unknown type", expected.as_str_name())),
        }
    }

    /// An integer.
    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>, Reason> {
        Ok(self.get(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    /// A truth value stored as an integer.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Reason> {
        Ok(self.int(name)?.map_or(default, |number| number != 0))
    }

    /// A float.
    pub(super) fn float(&mut self, name: &str) -> Result<Option<f32>, Reason> {
        Ok(self.get(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    /// A list of integers.
    pub(super) fn ints(&mut self, name: &str) -> Result<Option<&'a [i64]>, Reason> {
        Ok(self.get(name, AttributeType::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// A list of floats.
    pub(super) fn floats(&mut self, name: &str) -> Result<Option<&'a [f32]>, Reason> {
        Ok(self.get(name, AttributeType::Floats)?.map(|attribute| attribute.floats.as_slice()))
    }

    /// A text.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<&'a str>, Reason> {
        let Some(attribute) = self.get(name, AttributeType::String)? else { return Ok(None) };
        std::str::from_utf8(&attribute.s).map(Some).map_err(|_| refuse(name, "not UTF-8", "text is expected"))
    }

    /// A constant.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Tensor>, Reason> {
        let Some(attribute) = self.get(name, AttributeType::Tensor)? else { return Ok(None) };
        match &attribute.t {
            Some(proto) => Ok(Some(constants::load(proto)?)),
            None => Err(refuse(name, "empty", "a tensor is expected")),
        }
    }

    /// Marks attributes that change nothing when a model is run.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for (attribute, read) in self.list.iter().zip(&mut self.read) {
            *read |= names.contains(&attribute.name.as_str());
        }
    }

    /// Checks that every attribute was read.
    pub(super) fn finish(&self) -> Result<(), Reason> {
        match self.list.iter().zip(&self.read).find(|(_, read)| !**read) {
            None => Ok(()),
            Some((attribute, _)) => {
                Err(refuse(&attribute.name, "given", "this operator has no such attribute that is supported"))
            }
        }
    }
}
