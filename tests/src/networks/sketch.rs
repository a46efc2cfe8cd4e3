//! A network on its way: the message, the values that later steps may use, and where chance comes from.

use crate::onnx::{Model, int, ints};
use crate::random::Random;
use bantam_tools::reference::pb::{AttributeProto, ValueInfoProto};

/// Most elements of one value; enough for every kind of edge, small enough to run thousands.
const MAX_ELEMENTS: usize = 1500;

/// A value of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Its name in the file.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

impl Value {
    /// The four dimensions of an image `[1, channels, height, width]`.
    pub fn image(&self) -> Option<[usize; 3]> {
        match *self.shape.as_slice() {
            [1, channels, height, width] => Some([channels, height, width]),
            _ => None,
        }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A network under construction.
#[derive(Debug)]
pub struct Sketch {
    /// The file so far.
    pub model: Model,
    /// Where chance comes from.
    pub random: Random,
    /// The version of the operator set.
    pub opset: i64,
    /// Values that a later step may use, the newest last.
    pub live: Vec<Value>,
    used: Vec<String>,
    names: usize,
}

impl Sketch {
    /// A network without nodes: one to three inputs of any kind.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let opset = random.pick(&[11, 13, 13, 17, 18, 20]);
        let mut model = Model::new(opset, &[1]);
        model.graph().input.clear();
        model.graph().output.clear();
        let mut sketch = Self { model, random, opset, live: vec![], used: vec![], names: 0 };
        let count = sketch.random.pick(&[1, 1, 1, 1, 1, 2, 3]);
        for index in 0..count {
            let shape = sketch.input_shape();
            sketch.input(&format!("input{index}"), &shape);
        }
        sketch
    }

    fn input_shape(&mut self) -> Vec<usize> {
        let random = &mut self.random;
        match random.within(0..10) {
            0..6 => vec![1, random.within(1..7), random.within(2..11), random.within(2..11)],
            6 | 7 => vec![1, random.within(1..9), random.within(2..17)],
            8 => vec![1, random.within(2..25)],
            _ => vec![1, random.within(1..4), random.within(1..5), random.within(1..5), random.within(1..5)],
        }
    }

    fn input(&mut self, name: &str, shape: &[usize]) {
        let dimensions: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        self.model = self.model.clone().input(name, &dimensions);
        self.live.push(Value { name: name.to_owned(), shape: shape.to_vec() });
    }

    /// A name that nothing has.
    fn fresh(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}", self.names)
    }

    /// Whether a value of this shape may be made.
    pub fn fits(&self, shape: &[usize]) -> bool {
        shape.len() <= 6 && shape.iter().all(|&size| size > 0) && shape.iter().product::<usize>() <= MAX_ELEMENTS
    }

    /// Adds a node with one result.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        shape: &[usize],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        self.nodes(operator, inputs, &[shape.to_vec()], attributes).remove(0)
    }

    /// Adds a node with several results.
    pub fn nodes(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        shapes: &[Vec<usize>],
        attributes: Vec<AttributeProto>,
    ) -> Vec<Value> {
        let results: Vec<Value> = shapes
            .iter()
            .map(|shape| Value { name: self.fresh(&operator.to_lowercase()), shape: shape.clone() })
            .collect();
        let names = |values: &mut dyn Iterator<Item = &str>| values.collect::<Vec<_>>().join(" ");
        let operands = names(&mut inputs.iter().map(|value| value.name.as_str()));
        let outputs = names(&mut results.iter().map(|value| value.name.as_str()));
        self.used.extend(inputs.iter().map(|value| value.name.clone()));
        self.model = std::mem::replace(&mut self.model, Model(Default::default()))
            .node(operator, &operands, &outputs, attributes);
        results
    }

    /// A constant with numbers in `[low, high)`.
    pub fn constant(&mut self, shape: &[usize], low: f64, high: f64) -> Value {
        let items = self.random.f32s(shape.iter().product(), low, high);
        self.floats(shape, &items)
    }

    /// Weights that keep the size of activations: `fan_in` of them meet in one sum.
    pub fn weights(&mut self, shape: &[usize], fan_in: usize) -> Value {
        let bound = (3.0 / fan_in.max(1) as f64).sqrt();
        self.constant(shape, -bound, bound)
    }

    /// A float constant.
    pub fn floats(&mut self, shape: &[usize], items: &[f32]) -> Value {
        let name = self.fresh("c");
        let dimensions: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        self.model = std::mem::replace(&mut self.model, Model(Default::default())).floats(&name, &dimensions, items);
        Value { name, shape: shape.to_vec() }
    }

    /// A constant vector of integers.
    pub fn integers(&mut self, items: &[i64]) -> Value {
        let name = self.fresh("i");
        self.model = std::mem::replace(&mut self.model, Model(Default::default())).integers(&name, items);
        Value { name, shape: vec![items.len()] }
    }

    /// A constant integer without dimensions.
    pub fn integer(&mut self, item: i64) -> Value {
        let value = Value { name: self.integers(&[item]).name, shape: vec![] };
        if let Some(constant) = self.model.graph().initializer.last_mut() {
            constant.dims.clear();
        }
        value
    }

    /// An operand left out.
    pub fn absent() -> Value {
        Value { name: "_".to_owned(), shape: vec![] }
    }

    /// A node whose axes are an attribute before operator set `since` and an operand from then on.
    pub fn with_axes(
        &mut self,
        operator: &str,
        since: i64,
        value: &Value,
        axes: &[i64],
        shape: &[usize],
        mut attributes: Vec<AttributeProto>,
    ) -> Value {
        if self.opset < since {
            attributes.push(ints("axes", axes));
            self.node(operator, &[value], shape, attributes)
        } else {
            let axes = self.integers(axes);
            self.node(operator, &[value, &axes], shape, attributes)
        }
    }

    /// The value in another shape, by one of the ways exporters write it.
    pub fn reshape(&mut self, value: &Value, shape: &[usize]) -> Value {
        let mut target: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        if self.random.once_in(2)
            && let Some(axis) = (0..shape.len()).rev().find(|&axis| shape[axis] > 1)
        {
            target[axis] = -1;
        }
        let target = self.integers(&target);
        self.node("Reshape", &[value, &target], shape, vec![])
    }

    /// The value with its axes reordered.
    pub fn transpose(&mut self, value: &Value, permutation: &[usize]) -> Value {
        let shape: Vec<usize> = permutation.iter().map(|&axis| value.shape[axis]).collect();
        let perm: Vec<i64> = permutation.iter().map(|&axis| axis as i64).collect();
        self.node("Transpose", &[value], &shape, vec![ints("perm", &perm)])
    }

    /// An elementwise function without attributes.
    pub fn unary(&mut self, operator: &str, value: &Value) -> Value {
        self.node(operator, &[value], &value.shape.clone(), vec![])
    }

    /// An axis as a number from the front or from the end.
    pub fn axis_of(&mut self, axis: usize, rank: usize) -> i64 {
        if self.random.once_in(3) { axis as i64 - rank as i64 } else { axis as i64 }
    }

    /// Softmax along an axis.
    pub fn softmax(&mut self, value: &Value, axis: usize) -> Value {
        let attributes = vec![int("axis", self.axis_of(axis, value.shape.len()))];
        self.node("Softmax", &[value], &value.shape.clone(), attributes)
    }

    /// A live value, mostly one of the newest.
    pub fn pick_live(&mut self) -> Value {
        let count = self.live.len();
        let newest = if self.random.once_in(3) { count } else { count.min(2) };
        let index = self.random.within(count - newest..count);
        self.live[index].clone()
    }

    /// Makes a value an output that no step uses.
    pub fn output(&mut self, value: &Value) {
        let name = value.name.clone();
        self.model.graph().output.push(ValueInfoProto { name, ..Default::default() });
    }

    /// Makes every value that nothing used an output, at least the newest.
    pub fn finish(mut self) -> Model {
        let unused: Vec<String> = self
            .live
            .iter()
            .filter(|value| !self.used.contains(&value.name) && !value.name.starts_with("input"))
            .map(|value| value.name.clone())
            .collect();
        if unused.is_empty() && self.model.graph().output.is_empty() {
            let last = self.pick_live();
            let result = self.unary("Relu", &last);
            self.output(&result);
        }
        for name in unused {
            self.model.graph().output.push(ValueInfoProto { name, ..Default::default() });
        }
        self.model
    }
}
