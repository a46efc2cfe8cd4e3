//! Constants of the file: `TensorProto` to [`Tensor`].

use crate::import::ConstantError;
use crate::reference::pb::{
    TensorProto,
    tensor_proto::{DataLocation, DataType as ProtoType},
};
use crate::tensor::{Data, DataType, Tensor, element_count};

/// The element type a file's type is read as: half, bfloat16 and double become f32, 16-bit
/// integers i32, unsigned 32- and 64-bit integers i64.
///
/// # Errors
/// [`ConstantError::Type`].
pub(super) fn element_type(code: i32) -> Result<DataType, ConstantError> {
    Ok(match ProtoType::try_from(code) {
        Ok(ProtoType::Float | ProtoType::Double | ProtoType::Float16 | ProtoType::Bfloat16) => DataType::F32,
        Ok(ProtoType::Int64 | ProtoType::Uint32 | ProtoType::Uint64) => DataType::I64,
        Ok(ProtoType::Int32 | ProtoType::Int16 | ProtoType::Uint16) => DataType::I32,
        Ok(ProtoType::Int8) => DataType::I8,
        Ok(ProtoType::Uint8) => DataType::U8,
        Ok(ProtoType::Bool) => DataType::Bool,
        _ => return Err(ConstantError::Type(type_name(code))),
    })
}

/// The name of a file's element type.
pub(super) fn type_name(code: i32) -> String {
    ProtoType::try_from(code).map_or_else(|_| format!("number {code}"), |known| known.as_str_name().to_owned())
}

/// Reads a constant. What is allocated is at most eight times what the message holds.
///
/// # Errors
/// [`ConstantError`].
pub(super) fn load(proto: &TensorProto) -> Result<Tensor, ConstantError> {
    if proto.data_location == Some(DataLocation::External as i32) || !proto.external_data.is_empty() {
        return Err(ConstantError::External);
    }
    if proto.segment.is_some() {
        return Err(ConstantError::Segment);
    }
    let shape = proto
        .dims
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| ConstantError::NegativeDimension(size)))
        .collect::<Result<Vec<usize>, _>>()?;
    let count = element_count(&shape)?;
    element_type(proto.data_type)?;
    check_fields(proto)?;
    let data = if proto.raw_data.is_empty() { typed(proto, &shape, count)? } else { raw(proto, &shape, count)? };
    Ok(Tensor::new(shape, data)?)
}

/// Elements must be in exactly one field, and in the one of their type.
fn check_fields(proto: &TensorProto) -> Result<(), ConstantError> {
    let fields = [
        ("raw", proto.raw_data.len()),
        ("float", proto.float_data.len()),
        ("int32", proto.int32_data.len()),
        ("int64", proto.int64_data.len()),
        ("uint64", proto.uint64_data.len()),
        ("double", proto.double_data.len()),
        ("string", proto.string_data.len()),
    ];
    let own = match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Float) => "float",
        Ok(ProtoType::Double) => "double",
        Ok(ProtoType::Int64) => "int64",
        Ok(ProtoType::Uint32 | ProtoType::Uint64) => "uint64",
        _ => "int32",
    };
    let used: Vec<&str> = fields.iter().filter(|(_, length)| *length > 0).map(|&(name, _)| name).collect();
    match used.as_slice() {
        [] => Ok(()),
        [field] if *field == own || *field == "raw" => Ok(()),
        _ => Err(ConstantError::Field(type_name(proto.data_type))),
    }
}

fn raw(proto: &TensorProto, shape: &[usize], count: usize) -> Result<Data, ConstantError> {
    let bytes = &proto.raw_data;
    let size = match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Double | ProtoType::Int64 | ProtoType::Uint64) => 8,
        Ok(ProtoType::Float | ProtoType::Int32 | ProtoType::Uint32) => 4,
        Ok(ProtoType::Float16 | ProtoType::Bfloat16 | ProtoType::Int16 | ProtoType::Uint16) => 2,
        _ => 1,
    };
    let expected = count.saturating_mul(size);
    if bytes.len() != expected {
        return Err(ConstantError::Bytes { shape: shape.to_vec(), expected, got: bytes.len() });
    }
    Ok(match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Float) => Data::F32(words(bytes, f32::from_le_bytes)),
        Ok(ProtoType::Double) => Data::F32(words(bytes, |word| f64::from_le_bytes(word) as f32)),
        Ok(ProtoType::Float16) => Data::F32(words(bytes, |word| half::f16::from_le_bytes(word).to_f32())),
        Ok(ProtoType::Bfloat16) => Data::F32(words(bytes, |word| half::bf16::from_le_bytes(word).to_f32())),
        Ok(ProtoType::Int64) => Data::I64(words(bytes, i64::from_le_bytes)),
        Ok(ProtoType::Uint64) => {
            Data::I64(words(bytes, u64::from_le_bytes).into_iter().map(signed).collect::<Result<Vec<i64>, _>>()?)
        }
        Ok(ProtoType::Uint32) => Data::I64(words(bytes, |word| u32::from_le_bytes(word).into())),
        Ok(ProtoType::Int32) => Data::I32(words(bytes, i32::from_le_bytes)),
        Ok(ProtoType::Int16) => Data::I32(words(bytes, |word| i16::from_le_bytes(word).into())),
        Ok(ProtoType::Uint16) => Data::I32(words(bytes, |word| u16::from_le_bytes(word).into())),
        Ok(ProtoType::Int8) => Data::I8(words(bytes, i8::from_le_bytes)),
        Ok(ProtoType::Uint8) => Data::U8(bytes.clone()),
        Ok(ProtoType::Bool) => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        _ => return Err(ConstantError::Type(type_name(proto.data_type))),
    })
}

fn words<const SIZE: usize, T>(bytes: &[u8], read: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    bytes.as_chunks::<SIZE>().0.iter().map(|&word| read(word)).collect()
}

fn signed(number: u64) -> Result<i64, ConstantError> {
    i64::try_from(number).map_err(|_| ConstantError::Number(number))
}

fn typed(proto: &TensorProto, shape: &[usize], count: usize) -> Result<Data, ConstantError> {
    let got = match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Float) => proto.float_data.len(),
        Ok(ProtoType::Double) => proto.double_data.len(),
        Ok(ProtoType::Int64) => proto.int64_data.len(),
        Ok(ProtoType::Uint32 | ProtoType::Uint64) => proto.uint64_data.len(),
        _ => proto.int32_data.len(),
    };
    if got != count {
        return Err(ConstantError::Length { shape: shape.to_vec(), expected: count, got });
    }
    let words = &proto.int32_data;
    Ok(match ProtoType::try_from(proto.data_type) {
        Ok(ProtoType::Float) => Data::F32(proto.float_data.clone()),
        Ok(ProtoType::Double) => Data::F32(proto.double_data.iter().map(|&number| number as f32).collect()),
        // Half-precision numbers are stored as their bits in the low half of each word.
        Ok(ProtoType::Float16) => {
            Data::F32(words.iter().map(|&word| half::f16::from_bits(word as u16).to_f32()).collect())
        }
        Ok(ProtoType::Bfloat16) => {
            Data::F32(words.iter().map(|&word| half::bf16::from_bits(word as u16).to_f32()).collect())
        }
        Ok(ProtoType::Int64) => Data::I64(proto.int64_data.clone()),
        Ok(ProtoType::Uint32 | ProtoType::Uint64) => {
            Data::I64(proto.uint64_data.iter().map(|&word| signed(word)).collect::<Result<Vec<_>, _>>()?)
        }
        Ok(ProtoType::Int32 | ProtoType::Int16 | ProtoType::Uint16) => Data::I32(words.clone()),
        Ok(ProtoType::Int8) => Data::I8(words.iter().map(|&word| word as i8).collect()),
        Ok(ProtoType::Uint8) => Data::U8(words.iter().map(|&word| word as u8).collect()),
        Ok(ProtoType::Bool) => Data::Bool(words.iter().map(|&word| word != 0).collect()),
        _ => return Err(ConstantError::Type(type_name(proto.data_type))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(dims: &[i64], data_type: ProtoType) -> TensorProto {
        TensorProto { dims: dims.to_vec(), data_type: data_type as i32, ..Default::default() }
    }

    #[test]
    fn raw_and_typed_elements_are_read_alike() {
        let typed = TensorProto { float_data: vec![1.5, -2.0], ..proto(&[2], ProtoType::Float) };
        let bytes = [1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat();
        let raw = TensorProto { raw_data: bytes, ..proto(&[2], ProtoType::Float) };
        assert_eq!(load(&typed).unwrap(), load(&raw).unwrap());
        let half = TensorProto { int32_data: vec![0x3e00], ..proto(&[], ProtoType::Float16) };
        assert_eq!(load(&half).unwrap(), Tensor::scalar(1.5f32));
        let wide = TensorProto { uint64_data: vec![7], ..proto(&[1], ProtoType::Uint32) };
        assert_eq!(load(&wide).unwrap(), Tensor::vector(vec![7i64]));
    }

    #[test]
    fn damaged_constants_are_refused() {
        let float = |dims: &[i64]| proto(dims, ProtoType::Float);
        let cases = [
            float(&[-1]),
            float(&[2]),
            float(&[i64::MAX]),
            float(&[1 << 40, 1 << 40]),
            TensorProto { raw_data: vec![0; 7], ..float(&[2]) },
            TensorProto { raw_data: vec![0; 8], float_data: vec![0.0; 2], ..float(&[2]) },
            TensorProto { int64_data: vec![0; 2], ..float(&[2]) },
            TensorProto { float_data: vec![0.0; 3], ..float(&[2]) },
            TensorProto { data_type: 99, raw_data: vec![0; 8], ..float(&[2]) },
            TensorProto { data_type: 8, ..float(&[0]) },
            TensorProto { data_location: Some(1), ..float(&[2]) },
            TensorProto { uint64_data: vec![u64::MAX], ..proto(&[1], ProtoType::Uint64) },
        ];
        for case in cases {
            assert!(load(&case).is_err(), "{case:?}");
        }
    }
}
