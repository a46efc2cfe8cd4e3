//! Rows of data in the order of a model's inputs.

use super::{Array, DataError, read_all};
use crate::graph::{Graph, Layout, Op, ValueId};
use crate::quantize::Parameters;
use crate::tensor::{Data, DataType, Tensor};
use std::path::{Path, PathBuf};

/// What a model input takes.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Its name; an empty one matches any array where the model has a single input.
    pub name: String,
    /// Its shape as it is run, batch first.
    pub shape: Vec<usize>,
    /// Whether the source model has it channels first.
    pub layout: Layout,
    /// What its elements are.
    pub elements: Elements,
}

/// What the elements of an input are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elements {
    /// Real numbers.
    Real,
    /// Real numbers that a model quantises first.
    Quantized(Parameters),
    /// Integers that stand for themselves, or truth values.
    Integer,
}

impl Elements {
    /// Those of a graph's input. It is quantised first where that is all it is read for.
    fn of_port(graph: &Graph, value: ValueId) -> Self {
        if graph.value(value).dtype != DataType::F32 {
            return Self::Integer;
        }
        match graph.single_consumer(value).and_then(|node| graph.node(node)).map(|node| &node.op) {
            Some(Op::Quantize(quantize)) => {
                let zero_point = quantize.zero_point - if quantize.to == DataType::U8 { 128 } else { 0 };
                let wide = quantize.to == DataType::I16;
                i8::try_from(zero_point).map_or(Self::Real, |zero_point| {
                    Self::Quantized(Parameters { scale: quantize.scale, zero_point, wide })
                })
            }
            _ => Self::Real,
        }
    }
}

impl InputSpec {
    /// The inputs of a graph.
    #[must_use]
    pub fn of_graph(graph: &Graph) -> Vec<Self> {
        let spec = |port: &crate::graph::Port| Self {
            name: port.name.clone(),
            shape: graph.value(port.value).shape.clone(),
            layout: port.layout,
            elements: Elements::of_port(graph, port.value),
        };
        graph.inputs().iter().map(spec).collect()
    }

    /// The number of elements of one row.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// How an array of this shape is to be read: its rows and whether they are channels first. Data in the source's
    /// order wins where both fit.
    fn reading(&self, array: &[usize]) -> Option<(usize, bool)> {
        let channels_first = self.layout == Layout::ChannelsLast;
        let source = self.layout.source_shape(&self.shape);
        let matches = |shape: &[usize]| {
            let row = shape.get(1..).unwrap_or(&[]);
            if !array.is_empty() && &array[1..] == row {
                Some(array[0])
            } else if array == row {
                Some(1)
            } else {
                None
            }
        };
        matches(&source).map(|rows| (rows, channels_first)).or_else(|| matches(&self.shape).map(|rows| (rows, false)))
    }

    fn expected(&self) -> String {
        let rows = |shape: &[usize]| {
            let row: Vec<String> = shape.iter().skip(1).map(ToString::to_string).collect();
            format!("[rows, {}]", row.join(", "))
        };
        let source = self.layout.source_shape(&self.shape);
        if source == self.shape {
            rows(&source)
        } else {
            format!("{} or, channels last, {}", rows(&source), rows(&self.shape))
        }
    }
}

#[derive(Clone, Debug)]
struct Column {
    spec: InputSpec,
    tensor: Tensor,
    channels_first: bool,
}

/// What a column of the data holds: a value per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; NaN where one is not known.
    Numbers(Vec<f32>),
    /// Text.
    Text(Vec<String>),
}

/// Rows of inputs, with labels where the file has them.
#[derive(Clone, Debug)]
pub struct Dataset {
    path: PathBuf,
    columns: Vec<Column>,
    rows: usize,
    labels: Option<Array>,
    /// Arrays of one value per row that are no inputs.
    others: Vec<(String, Values)>,
    /// Whether signed 8-bit arrays hold what an artifact stores.
    quantized: bool,
}

impl Dataset {
    /// Reads a .npz (arrays named as the inputs, or `x` where there is one input; labels in `y`) or .npy file. Labels
    /// are looked at when they are asked for.
    ///
    /// # Errors
    /// [`DataError`]: missing arrays, shapes that do not fit, no rows, NaN or infinity.
    pub fn load(path: &Path, specs: &[InputSpec]) -> Result<Self, DataError> {
        let arrays = read_all(path)?;
        let find = |name: &str| arrays.iter().find(|(known, _)| known == name);
        let mut columns = Vec::new();
        let mut rows = None;
        for spec in specs {
            if let Some(&batch) = spec.shape.first().filter(|&&batch| batch != 1) {
                return Err(DataError::Batch { input: spec.name.clone(), batch });
            }
            let alone = specs.len() == 1;
            let found = find(&spec.name)
                .or_else(|| if alone { find("x") } else { None })
                .or_else(|| if alone && arrays.len() == 1 { arrays.first() } else { None });
            let (name, array) = found.ok_or_else(|| DataError::MissingArray {
                path: path.to_owned(),
                wanted: if alone { "x".into() } else { spec.name.clone() },
                found: match arrays.as_slice() {
                    [] => "no arrays".into(),
                    _ => arrays.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", "),
                },
            })?;
            let tensor = array.numbers(path, name)?;
            let (count, channels_first) = spec.reading(tensor.shape()).ok_or_else(|| DataError::Shape {
                path: path.to_owned(),
                array: name.clone(),
                got: tensor.shape().to_vec(),
                input: spec.name.clone(),
                expected: spec.expected(),
            })?;
            let expected = *rows.get_or_insert(count);
            if count != expected {
                return Err(DataError::Rows { path: path.to_owned(), array: name.clone(), got: count, expected });
            }
            check_finite(path, name, tensor, spec.count())?;
            columns.push(Column { spec: spec.clone(), tensor: tensor.clone(), channels_first });
        }
        let rows = rows.unwrap_or(0);
        if rows == 0 {
            return Err(DataError::Empty(path.to_owned()));
        }
        let labels = match find("y") {
            Some((_, array)) if specs.iter().all(|spec| spec.name != "y") => Some(array.clone()),
            _ => None,
        };
        let beside = |(name, _): &&(String, Array)| {
            specs.iter().all(|spec| spec.name != *name) && !(specs.len() == 1 && name == "x")
        };
        let values = |(name, array): &(String, Array)| {
            let values = match array {
                Array::Numbers(tensor) if tensor.len() == rows => {
                    Values::Numbers(tensor.cast(DataType::F32).as_f32().ok()?.to_vec())
                }
                Array::Text(texts) if texts.len() == rows => Values::Text(texts.clone()),
                _ => return None,
            };
            Some((name.clone(), values))
        };
        let others = arrays.iter().filter(beside).filter_map(values).collect();
        Ok(Self { path: path.to_owned(), columns, rows, labels, others, quantized: false })
    }

    /// Seeded uniform noise between `low` and `high`, for comparisons without data.
    #[must_use]
    pub fn random(specs: &[InputSpec], rows: usize, seed: u64, low: f32, high: f32) -> Self {
        Self::noise_with(specs, rows, seed, |_, unit| low + unit * (high - low))
    }

    /// Seeded uniform noise that suits every model: all values of a quantised input, real numbers between -1 and 1, and of
    /// integers, which may be positions or truth values, 0 and 1.
    #[must_use]
    pub fn noise(specs: &[InputSpec], rows: usize, seed: u64) -> Self {
        Self::noise_with(specs, rows, seed, |spec, unit| match spec.elements {
            Elements::Real => -1.0 + unit * 2.0,
            Elements::Quantized(parameters) if parameters.wide => {
                parameters.dequantize_wide((unit * 65536.0 - 32768.0).floor() as i16)
            }
            Elements::Quantized(parameters) => parameters.dequantize((unit * 256.0 - 128.0).floor() as i8),
            Elements::Integer => f32::from(u8::from(unit >= 0.5)),
        })
    }

    /// Noise that `draw` makes of numbers in `[0, 1)`.
    fn noise_with(specs: &[InputSpec], rows: usize, seed: u64, draw: impl Fn(&InputSpec, f32) -> f32) -> Self {
        let mut state = seed ^ 0x9E37_79B9_7F4A_7C15;
        let mut next = || {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u32 << 24) as f32
        };
        let columns = specs
            .iter()
            .map(|spec| {
                let mut shape = spec.shape.clone();
                match shape.first_mut() {
                    Some(batch) => *batch *= rows,
                    None => shape.push(rows),
                }
                let items: Vec<f32> = (0..rows * spec.count()).map(|_| draw(spec, next())).collect();
                let tensor = Tensor::from_vec(shape, items).expect("as many elements as the shape asks for");
                Column { spec: spec.clone(), tensor, channels_first: false }
            })
            .collect();
        Self { path: "random data".into(), columns, rows, labels: None, others: vec![], quantized: false }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Where it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there are labels, good or bad.
    #[must_use]
    pub fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// The class of each row.
    ///
    /// # Errors
    /// [`DataError::NoLabels`]; labels that are no classes, or not one per row.
    pub fn labels(&self) -> Result<Vec<usize>, DataError> {
        let labels = self.labels.as_ref().ok_or_else(|| DataError::NoLabels(self.path.clone()))?;
        if let Array::Text(texts) = labels {
            let label = texts.first().map(|text| format!("'{text}'")).unwrap_or_default();
            return Err(DataError::Label { path: self.path.clone(), row: 0, label });
        }
        parse_labels(&self.path, labels.numbers(&self.path, "y")?, self.rows)
    }

    /// The labels as numbers, where `y` holds floats.
    #[must_use]
    pub fn label_values(&self) -> Option<&[f32]> {
        match &self.labels {
            Some(Array::Numbers(labels)) => labels.as_f32().ok(),
            _ => None,
        }
    }

    /// An array that holds one value per row.
    ///
    /// # Errors
    /// [`DataError::Column`].
    pub fn column(&self, name: &str) -> Result<&Values, DataError> {
        let found = self.others.iter().find(|(known, _)| known == name).map(|(_, values)| values);
        found.ok_or_else(|| DataError::Column {
            path: self.path.clone(),
            column: name.to_owned(),
            found: match self.others.as_slice() {
                [] => "has none".to_owned(),
                others => {
                    format!("has {}", others.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", "))
                }
            },
            rows: self.rows,
        })
    }

    /// Whether there are several rows and all are the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let same = |column: &Column| {
            let first = column.row(0);
            (1..self.rows).all(|row| column.row(row) == first)
        };
        self.rows > 1 && self.columns.iter().all(same)
    }

    /// Row `row` of every input as f32, in the layout in which the graph is run.
    #[must_use]
    pub fn floats(&self, row: usize) -> Vec<Tensor> {
        self.columns.iter().map(|column| column.row(row).cast(DataType::F32)).collect()
    }

    /// Row `row` of every input of a graph, in the types it takes; floats become integers by cutting towards zero.
    #[must_use]
    pub fn inputs(&self, graph: &Graph, row: usize) -> Vec<Tensor> {
        let ports = self.columns.iter().zip(graph.inputs());
        ports.map(|(column, port)| column.row(row).cast(graph.value(port.value).dtype)).collect()
    }

    /// Takes signed 8-bit arrays, and 16-bit ones for 16-bit inputs, as already quantised: what an artifact's input stores, not real values.
    #[must_use]
    pub fn quantized(self) -> Self {
        Self { quantized: true, ..self }
    }

    /// Row `row` of input `input` as 8-bit integers: real values are quantised, arrays that are
    /// [`quantized`](Self::quantized) already stay as they are.
    #[must_use]
    pub fn integers(&self, input: usize, row: usize, parameters: Parameters) -> Vec<i8> {
        let tensor = self.columns[input].row(row);
        if let (true, Data::I8(items)) = (self.quantized, tensor.data()) {
            return items.clone();
        }
        let floats = tensor.cast(DataType::F32);
        floats.as_f32().unwrap_or(&[]).iter().map(|&x| parameters.quantize(x)).collect()
    }

    /// The same as 16-bit integers.
    #[must_use]
    pub fn wide_integers(&self, input: usize, row: usize, parameters: Parameters) -> Vec<i16> {
        let tensor = self.columns[input].row(row);
        if let (true, Data::I16(items)) = (self.quantized, tensor.data()) {
            return items.clone();
        }
        let floats = tensor.cast(DataType::F32);
        floats.as_f32().unwrap_or(&[]).iter().map(|&x| parameters.quantize_wide(x)).collect()
    }

    /// Row `row` of input `input` as 32-bit integers.
    #[must_use]
    pub fn words(&self, input: usize, row: usize) -> Vec<i32> {
        self.columns[input].row(row).to_i64().into_iter().map(|item| item as i32).collect()
    }
}

impl Column {
    /// One row in the layout in which the graph is run, of the type that the file has.
    fn row(&self, row: usize) -> Tensor {
        let elements = self.spec.count();
        let range = row * elements..(row + 1) * elements;
        let data = match self.tensor.data() {
            Data::F32(items) => Data::F32(items[range].to_vec()),
            Data::I64(items) => Data::I64(items[range].to_vec()),
            Data::I32(items) => Data::I32(items[range].to_vec()),
            Data::I16(items) => Data::I16(items[range].to_vec()),
            Data::I8(items) => Data::I8(items[range].to_vec()),
            Data::U8(items) => Data::U8(items[range].to_vec()),
            Data::Bool(items) => Data::Bool(items[range].to_vec()),
        };
        let (shape, layout) = if self.channels_first {
            (self.spec.layout.source_shape(&self.spec.shape), self.spec.layout)
        } else {
            (self.spec.shape.clone(), Layout::Source)
        };
        let tensor = Tensor::new(shape, data).expect("a row has the elements of the input");
        layout.from_source(&tensor).expect("channels-first inputs have rank 4")
    }
}

fn check_finite(path: &Path, array: &str, tensor: &Tensor, elements: usize) -> Result<(), DataError> {
    let Ok(items) = tensor.as_f32() else { return Ok(()) };
    match items.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(DataError::NotFinite {
            path: path.to_owned(),
            array: array.to_owned(),
            row: at / elements.max(1),
            value: items[at],
        }),
        None => Ok(()),
    }
}

fn parse_labels(path: &Path, tensor: &Tensor, rows: usize) -> Result<Vec<usize>, DataError> {
    if tensor.len() != rows || tensor.shape().first() != Some(&rows) {
        return Err(DataError::LabelShape { path: path.to_owned(), got: tensor.shape().to_vec(), rows });
    }
    let refused = |row: usize, label: String| DataError::Label { path: path.to_owned(), row, label };
    match tensor.data() {
        Data::F32(items) => {
            let class = |(row, &label): (usize, &f32)| match label {
                whole if whole >= 0.0 && whole.fract() == 0.0 => Ok(whole as usize),
                _ => Err(refused(row, label.to_string())),
            };
            items.iter().enumerate().map(class).collect()
        }
        _ => {
            let class =
                |(row, label): (usize, i64)| usize::try_from(label).map_err(|_| refused(row, label.to_string()));
            tensor.to_i64().into_iter().enumerate().map(class).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> InputSpec {
        InputSpec {
            name: "image".into(),
            shape: vec![1, 2, 3, 4],
            layout: Layout::ChannelsLast,
            elements: Elements::Real,
        }
    }

    #[test]
    fn shapes_tell_the_order_of_the_axes() {
        assert_eq!(image().reading(&[7, 4, 2, 3]), Some((7, true)));
        assert_eq!(image().reading(&[7, 2, 3, 4]), Some((7, false)));
        assert_eq!(image().reading(&[4, 2, 3]), Some((1, true)));
        assert_eq!(image().reading(&[2, 3, 4]), Some((1, false)));
        assert_eq!(image().reading(&[7, 24]), None);
        let square = InputSpec { shape: vec![1, 4, 4, 4], ..image() };
        assert_eq!(square.reading(&[9, 4, 4, 4]), Some((9, true)), "ambiguous: the source's order");
    }

    #[test]
    fn rows_come_out_channels_last_and_quantised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let source: Vec<f32> = (0..24).map(|i| i as f32).collect();
        super::super::write_array(&path, &Tensor::from_vec(vec![1, 4, 2, 3], source).unwrap()).unwrap();
        let data = Dataset::load(&path, &[image()]).unwrap();
        let row = data.floats(0).remove(0);
        assert_eq!(row.shape(), [1, 2, 3, 4]);
        assert_eq!(row.as_f32().unwrap()[..5], [0.0, 6.0, 12.0, 18.0, 1.0]);
        let integers = data.integers(0, 0, Parameters { scale: 2.0, zero_point: -10, wide: false });
        assert_eq!(integers[..5], [-10, -7, -4, -1, -10]);
    }

    #[test]
    fn noise_fills_inputs_of_any_shape() {
        for shape in [vec![], vec![1], vec![3], vec![2, 4], vec![1, 2, 3, 4]] {
            let elements = Elements::Real;
            let spec = InputSpec { name: "x".into(), shape: shape.clone(), layout: Layout::Source, elements };
            let data = Dataset::random(&[spec], 5, 1, -1.0, 1.0);
            let rows: Vec<Tensor> = (0..5).map(|row| data.floats(row).remove(0)).collect();
            assert!(rows.iter().all(|row| row.shape() == shape) && rows[0] != rows[4]);
            assert!(!data.is_constant());
        }
    }

    #[test]
    fn noise_suits_what_the_elements_are() {
        let parameters = Parameters { scale: 0.5, zero_point: -100, wide: false };
        let values = |elements| {
            let data = Dataset::noise(&[InputSpec { elements, ..image() }], 100, 7);
            let rows = (0..100).flat_map(|row| data.floats(row).remove(0).as_f32().unwrap().to_vec());
            (rows.collect::<Vec<f32>>(), data)
        };
        assert!(values(Elements::Real).0.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!(values(Elements::Integer).0.iter().all(|&x| x == 0.0 || x == 1.0));
        let (reals, data) = values(Elements::Quantized(parameters));
        let integers: Vec<i8> = (0..100).flat_map(|row| data.integers(0, row, parameters)).collect();
        assert!(integers.contains(&-128) && integers.contains(&127));
        for (&real, &integer) in reals.iter().zip(&integers) {
            assert_eq!(real, parameters.dequantize(integer));
        }
    }

    #[test]
    fn bad_rows_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let mut items = vec![0f32; 48];
        items[30] = f32::NAN;
        super::super::write_array(&path, &Tensor::from_vec(vec![2, 2, 3, 4], items).unwrap()).unwrap();
        let error = Dataset::load(&path, &[image()]).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("NaN") && error.contains("x.npy"), "{error}");
    }
}
