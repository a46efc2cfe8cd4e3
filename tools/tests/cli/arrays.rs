//! NumPy files byte by byte, good and bad.

use std::io::{Cursor, Write};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A .npy file: the header says what it is told to, whatever follows.
pub fn npy(descr: &str, fortran: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|d| format!("{d}, ")).collect();
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(padded + 1).unwrap().to_le_bytes());
    bytes.extend(format!("{header:padded$}\n").bytes());
    bytes.extend(data);
    bytes
}

/// An array of 32-bit floats.
pub fn floats(shape: &[u64], items: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, &items.iter().flat_map(|item| item.to_le_bytes()).collect::<Vec<_>>())
}

/// An array of 64-bit integers.
pub fn integers(shape: &[u64], items: &[i64]) -> Vec<u8> {
    npy("<i8", false, shape, &items.iter().flat_map(|item| item.to_le_bytes()).collect::<Vec<_>>())
}

/// A .npz file.
pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Grey images as the digits model takes them, pixel values 0 to 16, different in every row.
pub fn images(rows: usize) -> Vec<f32> {
    (0..rows * 64).map(|index| ((index * 7 + index / 64 * 5) % 17) as f32).collect()
}
