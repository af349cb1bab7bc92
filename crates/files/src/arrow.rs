//! Parquet, Arrow IPC and Feather: a column of lists of numbers, beside columns of ids and
//! attributes.

use crate::{
    Column, FileError, Format, Ids, Kind, Options, Scalar, Table, Values, arrow_sizes,
    source::write_file, table::choose,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
    builder::{ListBuilder, StringBuilder},
    cast::AsArray,
    types::{
        Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};
use arrow_ipc::{
    reader::{FileReader, StreamReader},
    writer::FileWriter,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use crinoid_quant::{Buffer, Vectors};
use parquet::arrow::{ArrowWriter, ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows that are decoded at a time.
const BATCH: usize = 2048;

type Stream = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Reads batch after batch.
pub(crate) struct Batches {
    path: PathBuf,
    stream: Stream,
    vectors: String,
    options: Options,
    rows: Option<u64>,
    /// Rows before the end of each row group.
    groups: Vec<u64>,
    /// The first row of the next batch.
    next: u64,
    dim: Option<usize>,
}

impl Batches {
    pub(crate) fn open(path: &Path, format: Format, options: &Options) -> Result<Self, FileError> {
        unwound(path, || Self::open_sound(path, format, options))?
    }

    fn open_sound(path: &Path, format: Format, options: &Options) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|source| FileError::io(path, source))?;
        let damaged = |error: &dyn std::fmt::Display| FileError::damaged(path, error);
        let (mut rows, mut groups) = (None, Vec::new());
        let (vectors, stream): (String, Stream) = match format {
            Format::Parquet => {
                let builder = ParquetRecordBatchReaderBuilder::try_new(file)
                    .map_err(|error| damaged(&error))?;
                let (vectors, columns) = columns(path, builder.schema(), options)?;
                let mut end = 0;
                for group in builder.metadata().row_groups() {
                    end += u64::try_from(group.num_rows()).unwrap_or(0);
                    groups.push(end);
                }
                rows = Some(end);
                let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
                let reader = builder.with_projection(mask).with_batch_size(BATCH).build();
                (vectors, Box::new(reader.map_err(|error| damaged(&error))?))
            }
            _ => {
                let mut reader = BufReader::with_capacity(1 << 20, file);
                let mut magic = [0; 6];
                let io = |source| FileError::io(path, source);
                reader.read_exact(&mut magic).map_err(io)?;
                let is_file = &magic == b"ARROW1";
                if let Some(wrong) = arrow_sizes::check(&mut reader, is_file).map_err(io)? {
                    return Err(damaged(&wrong));
                }
                reader.rewind().map_err(io)?;
                if is_file {
                    let opened = FileReader::try_new(reader, None);
                    let opened = opened.map_err(|error| damaged(&error))?;
                    (columns(path, &opened.schema(), options)?.0, Box::new(opened))
                } else {
                    let opened = StreamReader::try_new(reader, None);
                    let opened = opened.map_err(|error| damaged(&error))?;
                    (columns(path, &opened.schema(), options)?.0, Box::new(opened))
                }
            }
        };
        let (path, options) = (path.to_owned(), options.clone());
        Ok(Self { path, stream, vectors, options, rows, groups, next: 0, dim: None })
    }

    /// How many rows there are, where the file says so.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The next rows; `None` after the last.
    pub(crate) fn next_block(&mut self) -> Result<Option<Table>, FileError> {
        let path = self.path.clone();
        unwound(&path, || self.next_sound())?
    }

    fn next_sound(&mut self) -> Result<Option<Table>, FileError> {
        let batch = loop {
            match self.stream.next() {
                None => return self.ended(),
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => break batch,
                Some(Err(error)) => {
                    let place = self.place(self.next);
                    let reason = format!("{place}at row {}: {error}", self.next);
                    return Err(FileError::damaged(&self.path, reason));
                }
            }
        };
        let vectors = self.lists(&self.vectors, self.array(&batch, &self.vectors)?)?;
        self.dim = Some(vectors.dim());
        let ids = match &self.options.ids {
            Some(name) => Some(self.ids(name, self.array(&batch, name)?)?),
            None => None,
        };
        let attributes = self.options.attributes.iter().map(|name| {
            let values = self.values(name, self.array(&batch, name)?)?;
            Ok(Column { name: name.clone(), values })
        });
        let attributes = attributes.collect::<Result<_, FileError>>()?;
        self.next += batch.num_rows() as u64;
        Ok(Some(Table { vectors, ids, attributes }))
    }

    /// The end, where as many rows have come as the file says that there are.
    fn ended(&self) -> Result<Option<Table>, FileError> {
        match self.rows.filter(|&said| said != self.next) {
            None => Ok(None),
            Some(said) => {
                let reason = format!("and {} came: the file is damaged, write it again", self.next);
                Err(FileError::field(&self.path, "number of rows", said, reason))
            }
        }
    }

    fn array<'a>(&self, batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, FileError> {
        batch.column_by_name(name).ok_or_else(|| {
            FileError::field(&self.path, format!("column `{name}`"), "missing", "in a batch")
        })
    }

    /// The row group of `row`, as the beginning of a message.
    fn place(&self, row: u64) -> String {
        match self.groups.is_empty() {
            true => String::new(),
            false => {
                let group = self.groups.partition_point(|&end| end <= row);
                format!("row group {group}, ")
            }
        }
    }

    fn row(&self, at: usize, name: &str, part: &str, value: &str, reason: &str) -> FileError {
        let row = self.next + at as u64;
        let field = format!("{}column `{name}`{part}", self.place(row));
        FileError::row(&self.path, row, field, value, reason)
    }

    /// A column of lists of one length as vectors.
    fn lists(&self, name: &str, array: &ArrayRef) -> Result<Vectors, FileError> {
        let rows = array.len();
        if let Some(at) = (0..rows).find(|&at| array.is_null(at)) {
            let reason = "where every row needs a vector: drop the row";
            return Err(self.row(at, name, "", "null", reason));
        }
        // Where the values of each row begin and end.
        let ends = |at: usize| -> (usize, usize) {
            match array.data_type() {
                DataType::FixedSizeList(_, length) => {
                    let (at, length) = (at as i64, i64::from(*length));
                    let start = array.as_fixed_size_list().value_offset(0) as i64 + at * length;
                    (start as usize, (start + length) as usize)
                }
                DataType::LargeList(_) => {
                    let offsets = array.as_list::<i64>().value_offsets();
                    (offsets[at] as usize, offsets[at + 1] as usize)
                }
                _ => {
                    let offsets = array.as_list::<i32>().value_offsets();
                    (offsets[at] as usize, offsets[at + 1] as usize)
                }
            }
        };
        let values = match array.data_type() {
            DataType::FixedSizeList(..) => array.as_fixed_size_list().values(),
            DataType::LargeList(_) => array.as_list::<i64>().values(),
            _ => array.as_list::<i32>().values(),
        };
        let length = |at: usize| ends(at).1 - ends(at).0;
        let dim = self.dim.unwrap_or_else(|| length(0));
        if dim == 0 {
            let reason = "but a vector needs at least one";
            return Err(self.row(0, name, ", number of values", "0", reason));
        }
        if let Some(at) = (0..rows).find(|&at| length(at) != dim) {
            let reason = format!("where the rows before have {dim}: vectors must be alike");
            let value = length(at).to_string();
            return Err(self.row(at, name, ", number of values", &value, &reason));
        }
        let (start, end) = (ends(0).0, ends(rows - 1).1);
        let values = values.slice(start, end - start);
        if let Some(at) = (0..values.len()).find(|&at| values.is_null(at)) {
            let part = format!(" dimension {}", at % dim);
            let reason = "not a number: drop the row, or put a number there";
            return Err(self.row(at / dim, name, &part, "null", reason));
        }
        let mut floats = Buffer::<f32>::zeroed(values.len());
        let out = floats.make_mut();
        macro_rules! convert {
            ($kind:ident $type:ident) => {{
                let bytes = bytemuck::cast_slice(values.as_primitive::<$type>().values());
                Scalar::little(Kind::$kind).floats(bytes, out)
            }};
        }
        let converted = match values.data_type() {
            DataType::Float16 => convert!(F16 Float16Type),
            DataType::Float32 => convert!(F32 Float32Type),
            DataType::Float64 => convert!(F64 Float64Type),
            DataType::Int8 => convert!(I8 Int8Type),
            DataType::UInt8 => convert!(U8 UInt8Type),
            DataType::Int16 => convert!(I16 Int16Type),
            DataType::UInt16 => convert!(U16 UInt16Type),
            DataType::Int32 => convert!(I32 Int32Type),
            DataType::UInt32 => convert!(U32 UInt32Type),
            DataType::Int64 => convert!(I64 Int64Type),
            DataType::UInt64 => convert!(U64 UInt64Type),
            other => {
                let (field, value) = (format!("type of column `{name}`"), format!("{other}"));
                return Err(FileError::field(&self.path, field, value, "not lists of numbers"));
            }
        };
        converted.map_err(|misfit| {
            let part = format!(" dimension {}", misfit.index % dim);
            self.row(misfit.index / dim, name, &part, &misfit.value, misfit.reason)
        })?;
        Vectors::new(floats, dim).map_err(|error| FileError::damaged(&self.path, error))
    }

    fn ids(&self, name: &str, array: &ArrayRef) -> Result<Ids, FileError> {
        if let (DataType::UInt64, 0) = (array.data_type(), array.null_count()) {
            return Ok(Ids::Numbers(array.as_primitive::<UInt64Type>().values().to_vec()));
        }
        let values = self.values(name, array)?;
        Ids::from_column(&self.path, self.next, Column { name: name.to_owned(), values })
    }

    fn values(&self, name: &str, array: &ArrayRef) -> Result<Values, FileError> {
        macro_rules! collect {
            ($kind:ident $values:expr) => {
                Values::$kind($values.iter().map(|value| value.map(Into::into)).collect())
            };
        }
        Ok(match array.data_type() {
            DataType::Int8 => collect!(Integers array.as_primitive::<Int8Type>()),
            DataType::Int16 => collect!(Integers array.as_primitive::<Int16Type>()),
            DataType::Int32 => collect!(Integers array.as_primitive::<Int32Type>()),
            DataType::Int64 => collect!(Integers array.as_primitive::<Int64Type>()),
            DataType::UInt8 => collect!(Integers array.as_primitive::<UInt8Type>()),
            DataType::UInt16 => collect!(Integers array.as_primitive::<UInt16Type>()),
            DataType::UInt32 => collect!(Integers array.as_primitive::<UInt32Type>()),
            DataType::UInt64 => {
                let mut integers = Vec::with_capacity(array.len());
                for (at, value) in array.as_primitive::<UInt64Type>().iter().enumerate() {
                    let integer = value.map(i64::try_from).transpose().map_err(|_| {
                        let value = value.unwrap_or_default().to_string();
                        self.row(at, name, "", &value, "more than 63 bits hold: cast to text")
                    })?;
                    integers.push(integer);
                }
                Values::Integers(integers)
            }
            DataType::Float16 => collect!(Floats array.as_primitive::<Float16Type>()),
            DataType::Float32 => collect!(Floats array.as_primitive::<Float32Type>()),
            DataType::Float64 => collect!(Floats array.as_primitive::<Float64Type>()),
            DataType::Utf8 => collect!(Texts array.as_string::<i32>()),
            DataType::LargeUtf8 => collect!(Texts array.as_string::<i64>()),
            DataType::Utf8View => collect!(Texts array.as_string_view()),
            DataType::Boolean => collect!(Flags array.as_boolean()),
            DataType::Timestamp(TimeUnit::Second, _) => {
                let times = array.as_primitive::<TimestampSecondType>().iter().collect();
                self.times(name, times, |time| time.checked_mul(1_000_000))?
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                let times = array.as_primitive::<TimestampMillisecondType>().iter().collect();
                self.times(name, times, |time| time.checked_mul(1_000))?
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let times = array.as_primitive::<TimestampMicrosecondType>().iter().collect();
                Values::Times(times)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let times = array.as_primitive::<TimestampNanosecondType>().iter().collect();
                self.times(name, times, |time| Some(time.div_euclid(1_000)))?
            }
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>();
                let days = days.iter().map(|day| day.map(i64::from)).collect();
                self.times(name, days, |day| day.checked_mul(86_400_000_000))?
            }
            DataType::Date64 => {
                let times = array.as_primitive::<Date64Type>().iter().collect();
                self.times(name, times, |time| time.checked_mul(1_000))?
            }
            DataType::List(item) if is_text(item) => {
                self.texts(name, array.as_list::<i32>().iter())?
            }
            DataType::LargeList(item) if is_text(item) => {
                self.texts(name, array.as_list::<i64>().iter())?
            }
            other => {
                let reason = "where integers, floats, texts, flags, times and lists of texts are read: cast the column";
                let (field, value) = (format!("type of column `{name}`"), other.to_string());
                return Err(FileError::field(&self.path, field, value, reason));
            }
        })
    }
}

impl Batches {
    /// A column of times, as `micros` counts them.
    fn times(
        &self,
        name: &str,
        times: Vec<Option<i64>>,
        micros: impl Fn(i64) -> Option<i64>,
    ) -> Result<Values, FileError> {
        let time = |(at, time): (usize, Option<i64>)| match time.map(|time| (time, micros(time))) {
            Some((time, None)) => {
                let reason =
                    "more microseconds than 64 bits hold: drop the row, or cast the column";
                Err(self.row(at, name, "", &time.to_string(), reason))
            }
            time => Ok(time.and_then(|(_, micros)| micros)),
        };
        let times = times.into_iter().enumerate().map(time);
        Ok(Values::Times(times.collect::<Result<_, _>>()?))
    }

    /// A column of lists of texts.
    fn texts(
        &self,
        name: &str,
        lists: impl Iterator<Item = Option<ArrayRef>>,
    ) -> Result<Values, FileError> {
        let mut all = Vec::new();
        for (at, list) in lists.enumerate() {
            let Some(list) = list else {
                all.push(None);
                continue;
            };
            let texts: Option<Vec<String>> = match list.data_type() {
                DataType::LargeUtf8 => owned(list.as_string::<i64>().iter()),
                DataType::Utf8View => owned(list.as_string_view().iter()),
                _ => owned(list.as_string::<i32>().iter()),
            };
            let Some(texts) = texts else {
                let reason = "where every element is a text: drop it";
                return Err(self.row(at, name, ", an element", "null", reason));
            };
            all.push(Some(texts));
        }
        Ok(Values::Lists(all))
    }
}

fn owned<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<Vec<String>> {
    texts.map(|text| text.map(str::to_owned)).collect()
}

fn is_text(item: &Field) -> bool {
    matches!(item.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Runs the libraries' readers, which panic on some damaged files, where others give errors.
fn unwound<T>(path: &Path, read: impl FnOnce() -> T) -> Result<T, FileError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| FileError::damaged(path, "the file is damaged: its reader gave up on it"))
}

/// The column of vectors, and the places of all columns that are read.
fn columns(
    path: &Path,
    schema: &SchemaRef,
    options: &Options,
) -> Result<(String, Vec<usize>), FileError> {
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let lists: Vec<String> = schema
        .fields()
        .iter()
        .filter(|field| is_list_of_numbers(field.data_type()))
        .map(|field| field.name().clone())
        .collect();
    if let Some((asked, field)) = options
        .vectors
        .as_deref()
        .and_then(|asked| schema.field_with_name(asked).ok().map(|field| (asked, field)))
        .filter(|(_, field)| !is_list_of_numbers(field.data_type()))
    {
        let (what, value) = (format!("type of column `{asked}`"), field.data_type().to_string());
        let reason = format!("not lists of numbers (there are: {})", lists.join(", "));
        return Err(FileError::field(path, what, value, reason));
    }
    if lists.is_empty() {
        let reason = format!("no column holds lists of numbers (columns: {})", names.join(", "));
        return Err(FileError::damaged(path, reason));
    }
    let vectors = choose(path, "column", options.vectors.as_deref(), &lists)?.to_owned();
    let mut places = Vec::new();
    let wanted = options.ids.iter().chain(&options.attributes);
    for name in std::iter::once(&vectors).chain(wanted) {
        let name = choose(path, "column", Some(name), &names)?;
        places.extend(names.iter().position(|known| known == name));
    }
    Ok((vectors, places))
}

fn is_list_of_numbers(datatype: &DataType) -> bool {
    match datatype {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_numeric() && !item.data_type().is_decimal()
        }
        _ => false,
    }
}

/// The rows of an array of lists as vectors. Lists of f32 without a null are not copied: the vectors
/// share the array's memory, and keep it as long as they live. Other numbers become f32.
///
/// # Errors
/// When a list or a value is null, a value has no `f32` or is not finite, or the values are no numbers;
/// the row and the dimension are named.
///
/// ```
/// use arrow_array::{FixedSizeListArray, cast::AsArray, types::Float32Type};
///
/// let rows = [Some([Some(1.0), Some(2.0)]), Some([Some(3.0), Some(4.0)])];
/// let list = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2);
/// let vectors = crinoid_files::arrow::to_vectors(&list)?;
/// assert_eq!(vectors.row(1), [3.0, 4.0]);
/// let values = list.values().as_primitive::<Float32Type>().values();
/// assert_eq!(vectors.as_slice().as_ptr(), values.as_ptr());
/// # Ok::<(), crinoid_files::FileError>(())
/// ```
pub fn to_vectors(list: &FixedSizeListArray) -> Result<Vectors, FileError> {
    let dim = usize::try_from(list.value_length()).unwrap_or(0);
    if list.is_empty() {
        return Ok(Vectors::empty(dim));
    }
    let path = Path::new("array");
    let floats = list.values().as_primitive_opt::<Float32Type>();
    if let Some(floats) = floats.filter(|floats| list.null_count() + floats.null_count() == 0) {
        let start = list.value_offset(0) as usize;
        let floats = floats.slice(start, list.len() * dim);
        let length = floats.len() * size_of::<f32>();
        let shared = Bytes::from_owner(Floats(floats));
        let buffer =
            Buffer::window(&shared, 0, length).map_err(|error| FileError::damaged(path, error))?;
        return Vectors::new(buffer, dim).map_err(|error| FileError::damaged(path, error));
    }
    let batches = Batches {
        path: path.to_owned(),
        stream: Box::new(std::iter::empty()),
        vectors: String::new(),
        options: Options::default(),
        rows: None,
        groups: Vec::new(),
        next: 0,
        dim: None,
    };
    let array: ArrayRef = Arc::new(list.clone());
    batches.lists("item", &array)
}

/// Values that keep their array's memory.
struct Floats(Float32Array);

impl AsRef<[u8]> for Floats {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(self.0.values())
    }
}

/// Writes a column `vector` of fixed-size lists of f32, where rows have names a column `id`, and a column for each of
/// `attributes`, which have a value or none for every row.
///
/// # Errors
/// When the file cannot be written.
pub fn write(
    path: &Path,
    format: Format,
    vectors: &Vectors,
    ids: Option<&Ids>,
    attributes: &[Column],
) -> Result<(), FileError> {
    let dim = i32::try_from(vectors.dim()).map_err(|_| {
        FileError::field(path, "dimension", vectors.dim(), "more than the format's 31 bits hold")
    })?;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let mut fields = vec![Field::new("vector", DataType::FixedSizeList(item.clone(), dim), false)];
    match ids {
        Some(Ids::Numbers(_)) => fields.insert(0, Field::new("id", DataType::UInt64, false)),
        Some(Ids::Texts(_)) => fields.insert(0, Field::new("id", DataType::Utf8, false)),
        None => {}
    }
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    for (at, column) in attributes.iter().enumerate() {
        let (name, rows) = (&column.name, column.values.len());
        if names.contains(name) || attributes[..at].iter().any(|other| other.name == *name) {
            let reason = "the name of another column: rename it";
            return Err(FileError::field(path, "attribute", name, reason));
        }
        if rows != vectors.len() {
            let reason = format!("values for {} rows", vectors.len());
            return Err(FileError::field(path, format!("attribute `{name}`"), rows, reason));
        }
        let kind = array_of(&column.values, 0, 0).data_type().clone();
        fields.push(Field::new(name, kind, true));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = |first: usize, rows: usize| -> Result<RecordBatch, ArrowError> {
        let values = &vectors.as_slice()[first * vectors.dim()..(first + rows) * vectors.dim()];
        let values = Float32Array::from_iter_values(values.iter().copied());
        let lists = FixedSizeListArray::try_new(item.clone(), dim, Arc::new(values), None)?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(lists)];
        match ids {
            Some(Ids::Numbers(ids)) => {
                let ids = ids[first..first + rows].iter().copied();
                columns.insert(0, Arc::new(UInt64Array::from_iter_values(ids)));
            }
            Some(Ids::Texts(ids)) => {
                let ids = StringArray::from_iter_values(&ids[first..first + rows]);
                columns.insert(0, Arc::new(ids));
            }
            None => {}
        }
        columns.extend(attributes.iter().map(|column| array_of(&column.values, first, rows)));
        RecordBatch::try_new(schema.clone(), columns)
    };
    let blocks = (0..vectors.len()).step_by(BATCH);
    let blocks = blocks.map(|first| (first, BATCH.min(vectors.len() - first)));
    write_file(path, |file| match format {
        Format::Parquet => {
            let mut writer = ArrowWriter::try_new(&mut *file, schema.clone(), None)?;
            for (first, rows) in blocks {
                writer.write(&batch(first, rows).map_err(io::Error::other)?)?;
            }
            writer.close()?;
            Ok(())
        }
        _ => {
            let writer = FileWriter::try_new(&mut *file, &schema);
            let mut writer = writer.map_err(io::Error::other)?;
            for (first, rows) in blocks {
                let batch = batch(first, rows).map_err(io::Error::other)?;
                writer.write(&batch).map_err(io::Error::other)?;
            }
            writer.finish().map_err(io::Error::other)
        }
    })
}

/// Some of a column's values.
fn array_of(values: &Values, first: usize, rows: usize) -> ArrayRef {
    let some = first..first + rows;
    match values {
        Values::Integers(values) => Arc::new(Int64Array::from(values[some].to_vec())),
        Values::Floats(values) => Arc::new(Float64Array::from(values[some].to_vec())),
        Values::Texts(values) => {
            Arc::new(values[some].iter().map(Option::as_deref).collect::<StringArray>())
        }
        Values::Flags(values) => Arc::new(BooleanArray::from(values[some].to_vec())),
        Values::Times(values) => {
            Arc::new(TimestampMicrosecondArray::from(values[some].to_vec()).with_timezone("UTC"))
        }
        Values::Lists(values) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for value in &values[some] {
                match value {
                    Some(texts) => lists.append_value(texts.iter().map(Some)),
                    None => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
    }
}

#[cfg(test)]
mod tests;
