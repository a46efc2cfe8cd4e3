//! Rows of data in the order of a model's inputs.

use super::{DataError, read_arrays};
use crate::graph::{Graph, Layout};
use crate::quantize::Parameters;
use crate::tensor::{Data, Tensor};
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
}

impl InputSpec {
    /// The inputs of a graph.
    #[must_use]
    pub fn of_graph(graph: &Graph) -> Vec<Self> {
        let spec = |port: &crate::graph::Port| Self {
            name: port.name.clone(),
            shape: graph.value(port.value).shape.clone(),
            layout: port.layout,
        };
        graph.inputs().iter().map(spec).collect()
    }

    /// Elements of one row.
    #[must_use]
    pub fn elements(&self) -> usize {
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

/// Rows of inputs, with labels where the file has them.
#[derive(Clone, Debug)]
pub struct Dataset {
    path: PathBuf,
    columns: Vec<Column>,
    rows: usize,
    labels: Option<Tensor>,
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
        let arrays = read_arrays(path)?;
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
            let (name, tensor) = found.ok_or_else(|| DataError::MissingArray {
                path: path.to_owned(),
                wanted: if alone { "x".into() } else { spec.name.clone() },
                found: match arrays.as_slice() {
                    [] => "no arrays".into(),
                    _ => arrays.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", "),
                },
            })?;
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
            check_finite(path, name, tensor, spec.elements())?;
            columns.push(Column { spec: spec.clone(), tensor: tensor.clone(), channels_first });
        }
        let rows = rows.unwrap_or(0);
        if rows == 0 {
            return Err(DataError::Empty(path.to_owned()));
        }
        let labels = match find("y") {
            Some((_, tensor)) if specs.iter().all(|spec| spec.name != "y") => Some(tensor.clone()),
            _ => None,
        };
        Ok(Self { path: path.to_owned(), columns, rows, labels, quantized: false })
    }

    /// Seeded uniform noise between `low` and `high`, for comparisons without data.
    #[must_use]
    pub fn random(specs: &[InputSpec], rows: usize, seed: u64, low: f32, high: f32) -> Self {
        let mut state = seed ^ 0x9E37_79B9_7F4A_7C15;
        let mut next = || {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let unit = ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u32 << 24) as f32;
            low + unit * (high - low)
        };
        let columns = specs
            .iter()
            .map(|spec| {
                let mut shape = spec.shape.clone();
                match shape.first_mut() {
                    Some(batch) => *batch *= rows,
                    None => shape.push(rows),
                }
                let items: Vec<f32> = (0..rows * spec.elements()).map(|_| next()).collect();
                let tensor = Tensor::from_vec(shape, items).expect("as many elements as the shape asks for");
                Column { spec: spec.clone(), tensor, channels_first: false }
            })
            .collect();
        Self { path: "random data".into(), columns, rows, labels: None, quantized: false }
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
        parse_labels(&self.path, labels, self.rows)
    }

    /// The labels as numbers, where `y` holds floats.
    #[must_use]
    pub fn label_values(&self) -> Option<&[f32]> {
        self.labels.as_ref().and_then(|labels| labels.as_f32().ok())
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
        self.columns
            .iter()
            .map(|column| {
                let items = column.row(row);
                let items: Vec<f32> = match items {
                    Data::F32(items) => items,
                    Data::U8(items) => items.into_iter().map(f32::from).collect(),
                    Data::I8(items) => items.into_iter().map(f32::from).collect(),
                    other => other_floats(&other),
                };
                column.arranged(items)
            })
            .collect()
    }

    /// Takes signed 8-bit arrays as already quantised: what an artifact's input stores, not real values.
    #[must_use]
    pub fn quantized(self) -> Self {
        Self { quantized: true, ..self }
    }

    /// Row `row` of input `input` as 8-bit integers: real values are quantised, arrays that are
    /// [`quantized`](Self::quantized) already stay as they are.
    #[must_use]
    pub fn integers(&self, input: usize, row: usize, parameters: Parameters) -> Vec<i8> {
        let column = &self.columns[input];
        if let (true, Data::I8(items)) = (self.quantized, column.row(row)) {
            return match column.arranged(items).into_data() {
                Data::I8(items) => items,
                _ => vec![],
            };
        }
        let floats = self.floats(row).swap_remove(input);
        floats.as_f32().unwrap_or(&[]).iter().map(|&x| parameters.quantize(x)).collect()
    }
}

fn other_floats(data: &Data) -> Vec<f32> {
    match data {
        Data::I64(items) => items.iter().map(|&x| x as f32).collect(),
        Data::I32(items) => items.iter().map(|&x| x as f32).collect(),
        Data::Bool(items) => items.iter().map(|&x| f32::from(u8::from(x))).collect(),
        _ => vec![],
    }
}

impl Column {
    /// The elements of one row as they are in the file.
    fn row(&self, row: usize) -> Data {
        let elements = self.spec.elements();
        let range = row * elements..(row + 1) * elements;
        match self.tensor.data() {
            Data::F32(items) => Data::F32(items[range].to_vec()),
            Data::I64(items) => Data::I64(items[range].to_vec()),
            Data::I32(items) => Data::I32(items[range].to_vec()),
            Data::I8(items) => Data::I8(items[range].to_vec()),
            Data::U8(items) => Data::U8(items[range].to_vec()),
            Data::Bool(items) => Data::Bool(items[range].to_vec()),
        }
    }

    /// One row as a tensor in the layout in which the graph is run.
    fn arranged<T: crate::tensor::Element>(&self, items: Vec<T>) -> Tensor {
        let (shape, layout) = if self.channels_first {
            (self.spec.layout.source_shape(&self.spec.shape), self.spec.layout)
        } else {
            (self.spec.shape.clone(), Layout::Source)
        };
        let tensor = Tensor::from_vec(shape, items).expect("a row has the elements of the input");
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
        InputSpec { name: "image".into(), shape: vec![1, 2, 3, 4], layout: Layout::ChannelsLast }
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
        let integers = data.integers(0, 0, Parameters { scale: 2.0, zero_point: -10 });
        assert_eq!(integers[..5], [-10, -7, -4, -1, -10]);
    }

    #[test]
    fn noise_fills_inputs_of_any_shape() {
        for shape in [vec![], vec![1], vec![3], vec![2, 4], vec![1, 2, 3, 4]] {
            let spec = InputSpec { name: "x".into(), shape: shape.clone(), layout: Layout::Source };
            let data = Dataset::random(&[spec], 5, 1, -1.0, 1.0);
            let rows: Vec<Tensor> = (0..5).map(|row| data.floats(row).remove(0)).collect();
            assert!(rows.iter().all(|row| row.shape() == shape) && rows[0] != rows[4]);
            assert!(!data.is_constant());
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
