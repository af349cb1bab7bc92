//! safetensors: named arrays behind a header of JSON.

use crate::{FileError, Kind, Matrix, Scalar, matrix::Plain, source::Source, source::write_file};
use crinoid_quant::Vectors;
use safetensors::{Dtype, tensor::Metadata};
use std::{io::Write, path::Path};

/// The library's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// Opens the tensor called `name`, or the only matrix of the file.
///
/// # Errors
/// When the file cannot be read, its size is not what its header says, there is no such tensor, or
/// several and none is named, or it is no matrix of numbers.
pub fn open(path: &Path, name: Option<&str>) -> Result<Matrix, FileError> {
    let mut source = Source::open(path)?;
    if source.length() < 8 {
        return Err(source.too_short(8));
    }
    let mut length = [0; 8];
    source.fill(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        let reason = "more than 100 MB: is this a safetensors file?";
        return Err(source.field("length of the header", length, reason));
    }
    if source.length() < 8 + length {
        return Err(source.too_short(8 + u128::from(length)));
    }
    let mut header = vec![0; length as usize];
    source.fill(&mut header)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|error| FileError::damaged(path, format!("header: {error}")))?;
    source.expect_length(8 + u128::from(length) + header.data_len() as u128)?;
    let tensors = header.tensors();
    let mut names: Vec<String> = tensors
        .iter()
        .filter(|(_, info)| info.shape.len() == 2)
        .map(|(name, _)| name.clone())
        .collect();
    names.sort_unstable();
    if let Some(info) = name.and_then(|name| tensors.get(name)).filter(|i| i.shape.len() != 2) {
        let reason = "not rows x columns: reshape it to two dimensions";
        return Err(source.field("shape", format!("{:?}", info.shape), reason));
    }
    let name = crate::table::choose(path, "tensor", name, &names)?;
    let Some((info, &[rows, dim])) = tensors.get(name).map(|info| (info, &info.shape[..])) else {
        return Err(source.field("tensor", name, "not a matrix"));
    };
    let scalar = Scalar::little(match info.dtype {
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::I8 => Kind::I8,
        Dtype::U8 => Kind::U8,
        Dtype::I16 => Kind::I16,
        Dtype::U16 => Kind::U16,
        Dtype::I32 => Kind::I32,
        Dtype::U32 => Kind::U32,
        Dtype::I64 => Kind::I64,
        Dtype::U64 => Kind::U64,
        Dtype::BOOL => Kind::Bit,
        other => {
            let reason = "known types: floats of 16, 32, 64 bits, bf16, integers, bool";
            return Err(source.field("dtype", format!("{other:?}"), reason));
        }
    });
    let (start, end) = info.data_offsets;
    let source = Source::window(path, 8 + length + start as u64, (end - start) as u64)?;
    Matrix::new(path, name, (rows as u64, dim as u64), scalar, Box::new(Plain(source)))
}

/// Writes vectors as the tensor `vectors`, f32.
///
/// # Errors
/// When the file cannot be written.
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), FileError> {
    let bytes = vectors.buffer().as_bytes();
    let view =
        safetensors::tensor::TensorView::new(Dtype::F32, vec![vectors.len(), vectors.dim()], bytes);
    let view = view.map_err(|error| FileError::damaged(path, error))?;
    let file = safetensors::serialize([("vectors", view)], None)
        .map_err(|error| FileError::damaged(path, error))?;
    write_file(path, |out| out.write_all(&file))
}
