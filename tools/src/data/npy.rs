//! NumPy's .npy and .npz files.

use super::DataError;
use crate::tensor::{Data, Tensor};
use npyz::{Deserialize, NpyFile, Order, TypeChar, WriterBuilder};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// Most bytes one array may take in memory.
const MAX_ARRAY_BYTES: u64 = 1 << 31;

/// An array of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Numbers: floats as f32, unsigned 8-bit and signed 8- and 16-bit integers and booleans as they are, other integers as i64.
    Numbers(Tensor),
    /// Text along one axis.
    Text(Vec<String>),
    /// What is neither, and why it cannot be used.
    Other(String),
}

impl Array {
    /// The numbers of the array of this name.
    ///
    /// # Errors
    /// [`DataError::Format`] where it holds something else.
    pub fn numbers(&self, path: &Path, name: &str) -> Result<&Tensor, DataError> {
        let reason = match self {
            Self::Numbers(tensor) => return Ok(tensor),
            Self::Text(_) => "it holds text; save numbers, such as x.astype(np.float32)",
            Self::Other(reason) => reason,
        };
        let format = if path.extension().is_some_and(|extension| extension == "npy") { "npy" } else { "npz" };
        Err(format_error(path, format, format!("array '{name}': {reason}")))
    }
}

/// Reads the numbers of a .npz file, or those of a .npy file under the name `x`, in file order.
///
/// # Errors
/// As [`read_all`], and [`DataError::Format`] for arrays that hold something else.
pub fn read_arrays(path: &Path) -> Result<Vec<(String, Tensor)>, DataError> {
    let numbers = |(name, array): (String, Array)| {
        let tensor = array.numbers(path, &name)?.clone();
        Ok((name, tensor))
    };
    read_all(path)?.into_iter().map(numbers).collect()
}

/// Reads the arrays of a .npz file, or the one of a .npy file under the name `x`, in file order.
///
/// # Errors
/// [`DataError::Read`], [`DataError::Format`], [`DataError::Extension`].
pub fn read_all(path: &Path) -> Result<Vec<(String, Array)>, DataError> {
    let io = |error| DataError::Read { path: path.to_owned(), error };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => {
            let file = File::open(path).map_err(io)?;
            let bytes = file.metadata().map_err(io)?.len();
            let array = read_array(BufReader::new(file), bytes).map_err(|reason| format_error(path, "npy", reason))?;
            Ok(vec![("x".into(), array)])
        }
        Some("npz") => {
            let file = BufReader::new(File::open(path).map_err(io)?);
            let broken = |reason: String| format_error(path, "npz", reason);
            let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(error.to_string()))?;
            let mut arrays = Vec::new();
            for index in 0..archive.len() {
                let entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
                let file_name = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
                let Some(name) = file_name.strip_suffix(".npy").map(str::to_owned) else { continue };
                let bytes = entry.size();
                let array = read_array(entry, bytes).map_err(|reason| broken(format!("array '{name}': {reason}")))?;
                arrays.push((name, array));
            }
            Ok(arrays)
        }
        _ => Err(DataError::Extension(path.to_owned())),
    }
}

fn format_error(path: &Path, format: &'static str, reason: String) -> DataError {
    DataError::Format { path: path.to_owned(), format, reason }
}

/// Reads one array of at most `available` bytes with its header.
fn read_array(reader: impl Read, available: u64) -> Result<Array, String> {
    // Nothing is read, and so nothing allocated, beyond what the file says it has.
    let file = NpyFile::new(reader.take(available.min(MAX_ARRAY_BYTES))).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default().trim_end_matches(':');
        format!("its header cannot be read ({reason}); save numbers, not objects, with numpy")
    })?;
    let shape: Option<Vec<usize>> = file.shape().iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or("a dimension is too large")?;
    let npyz::DType::Plain(type_str) = file.dtype() else { return Err("structured arrays are not supported".into()) };
    let elements = file.shape().iter().try_fold(1u64, |product, &d| product.checked_mul(d));
    let units = if type_str.type_char() == TypeChar::UnicodeStr { 4 } else { 1 };
    let bytes = elements.and_then(|n| n.checked_mul(type_str.size_field())?.checked_mul(units));
    if bytes.is_none_or(|bytes| bytes > available || bytes > MAX_ARRAY_BYTES) {
        return Err(match bytes {
            Some(bytes) if bytes <= MAX_ARRAY_BYTES => {
                format!("shape {shape:?} of '{type_str}' needs {bytes} bytes, more than the file holds; it was cut off")
            }
            _ => format!("shape {shape:?} is too large; an array may take 2 GiB"),
        });
    }
    if file.order() == Order::Fortran && shape.len() > 1 {
        return Err("the array is in Fortran order; save np.ascontiguousarray(x)".into());
    }
    if let (TypeChar::UnicodeStr | TypeChar::ByteStr, 1..) = (type_str.type_char(), type_str.size_field())
        && shape.len() == 1
    {
        return Ok(Array::Text(values(file)?));
    }
    let data = match (type_str.type_char(), type_str.size_field()) {
        (TypeChar::Float, 4) => Data::F32(values(file)?),
        (TypeChar::Float, 8) => Data::F32(converted(file, |x: f64| x as f32)?),
        (TypeChar::Int, 1) => Data::I8(values(file)?),
        (TypeChar::Uint, 1) => Data::U8(values(file)?),
        (TypeChar::Bool, 1) => Data::Bool(values(file)?),
        (TypeChar::Int, 2) => Data::I16(values(file)?),
        (TypeChar::Int, 4) => Data::I64(converted(file, i64::from as fn(i32) -> i64)?),
        (TypeChar::Int, 8) => Data::I64(values(file)?),
        (TypeChar::Uint, 2) => Data::I64(converted(file, i64::from as fn(u16) -> i64)?),
        (TypeChar::Uint, 4) => Data::I64(converted(file, i64::from as fn(u32) -> i64)?),
        (TypeChar::Uint, 8) => Data::I64(converted(file, |x: u64| i64::try_from(x).unwrap_or(i64::MAX))?),
        _ => {
            return Ok(Array::Other(format!(
                "elements of type '{type_str}' are not supported; save 32-bit floats or integers, such as x.astype(np.float32)"
            )));
        }
    };
    Tensor::new(shape, data).map(Array::Numbers).map_err(|error| error.to_string())
}

fn values<T: Deserialize, R: Read>(file: NpyFile<R>) -> Result<Vec<T>, String> {
    converted(file, |x: T| x)
}

fn converted<T: Deserialize, U, R: Read>(file: NpyFile<R>, convert: impl Fn(T) -> U) -> Result<Vec<U>, String> {
    let reader = file.data::<T>().map_err(|error| error.to_string())?;
    reader.map(|value| value.map(&convert).map_err(|error| format!("the data ends early: {error}"))).collect()
}

/// Writes a tensor as a .npy file, whole or not at all.
///
/// # Errors
/// [`DataError::Write`].
pub fn write_array(path: &Path, tensor: &Tensor) -> Result<(), DataError> {
    encoded(tensor)
        .and_then(|bytes| crate::files::write_whole(path, &bytes))
        .map_err(|error| DataError::Write { path: path.to_owned(), error })
}

/// Writes tensors as a .npz file, stored without compression, whole or not at all. The same tensors give the same bytes.
///
/// # Errors
/// [`DataError::Write`].
pub fn write_arrays(path: &Path, arrays: &[(&str, &Tensor)]) -> Result<(), DataError> {
    let write = || {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        // The default date is fixed.
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, tensor) in arrays {
            archive.start_file(format!("{name}.npy"), options)?;
            archive.write_all(&encoded(tensor)?)?;
        }
        crate::files::write_whole(path, &archive.finish()?.into_inner())
    };
    write().map_err(|error| DataError::Write { path: path.to_owned(), error })
}

fn encoded(tensor: &Tensor) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let shape: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
    match tensor.data() {
        Data::F32(items) => write(&mut bytes, &shape, items),
        Data::I64(items) => write(&mut bytes, &shape, items),
        Data::I32(items) => write(&mut bytes, &shape, items),
        Data::I16(items) => write(&mut bytes, &shape, items),
        Data::I8(items) => write(&mut bytes, &shape, items),
        Data::U8(items) => write(&mut bytes, &shape, items),
        Data::Bool(items) => write(&mut bytes, &shape, items),
    }?;
    Ok(bytes)
}

fn write<T: npyz::AutoSerialize + Copy>(bytes: &mut Vec<u8>, shape: &[u64], items: &[T]) -> std::io::Result<()> {
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(bytes).begin_nd()?;
    writer.extend(items.iter().copied())?;
    writer.finish()
}
