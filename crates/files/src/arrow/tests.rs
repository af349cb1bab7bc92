use super::*;

fn lists(rows: &[Option<[Option<f32>; 2]>]) -> FixedSizeListArray {
    FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows.to_vec(), 2)
}

#[test]
fn arrays_of_f32_are_shared_not_copied() {
    let rows: Vec<_> = (0..9).map(|i| Some([Some(i as f32), Some(0.5)])).collect();
    let array = lists(&rows);
    let address = array.values().as_primitive::<Float32Type>().values().as_ptr();
    let whole = to_vectors(&array).unwrap();
    assert_eq!(whole.as_slice().as_ptr(), address);
    // A slice begins where it begins, and outlives the array.
    let part = to_vectors(&array.slice(3, 4)).unwrap();
    drop((array, whole));
    let alone = unsliced(&part);
    assert_eq!(alone, [3.0, 0.5, 4.0, 0.5, 5.0, 0.5, 6.0, 0.5]);
    assert!(to_vectors(&lists(&rows).slice(9, 0)).unwrap().is_empty());
}

fn unsliced(vectors: &Vectors) -> Vec<f32> {
    vectors.rows().flatten().copied().collect()
}

#[test]
fn attributes_of_all_kinds_come_back_as_they_were_written() {
    let columns = [
        ("n", Values::Integers(vec![Some(-7), None, Some(i64::MAX)])),
        ("x", Values::Floats(vec![None, Some(0.1), Some(-2.0)])),
        ("said", Values::Texts(vec![Some("a word".to_owned()), Some(String::new()), None])),
        ("flag", Values::Flags(vec![Some(true), None, Some(false)])),
        ("at", Values::Times(vec![Some(-1), Some(1_700_000_000_000_000), None])),
        ("tags", Values::Lists(vec![Some(vec!["a".to_owned()]), Some(Vec::new()), None])),
        ("nothing", Values::Texts(vec![None; 3])),
    ];
    let named = |(name, values): (&str, Values)| Column { name: name.to_owned(), values };
    let table = Table {
        vectors: Vectors::from_rows([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]]).unwrap(),
        ids: Some(Ids::Texts(["a", "b", "c"].map(String::from).to_vec())),
        attributes: columns.map(named).to_vec(),
    };
    let attributes = table.attributes.iter().map(|column| column.name.clone()).collect();
    let options = Options { ids: Some("id".to_owned()), attributes, ..Options::default() };
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.parquet", "x.arrow"] {
        let path = folder.path().join(name);
        crate::write_table(&path, &table).unwrap();
        assert_eq!(crate::read(&path, &options).unwrap(), table, "{name}");
    }
    let taken = Column { name: "vector".to_owned(), ..table.attributes[0].clone() };
    let taken = Table { attributes: vec![taken], ..table.clone() };
    let refused = crate::write_table(&folder.path().join("y.parquet"), &taken).unwrap_err();
    assert!(refused.to_string().contains("vector"), "{refused}");
    assert!(crate::write_table(&folder.path().join("y.npy"), &table).is_err());
}

#[test]
fn times_and_lists_of_texts_are_attributes() {
    use arrow_array::{Date32Array, TimestampNanosecondArray, TimestampSecondArray};
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("a"), Some("b")]);
    tags.append_null();
    tags.append_value([None::<&str>; 0]);
    let vectors = lists(&[Some([Some(1.0), Some(2.0)]); 3]);
    let columns: [(&str, ArrayRef); 5] = [
        ("vector", Arc::new(vectors)),
        ("tags", Arc::new(tags.finish())),
        ("s", Arc::new(TimestampSecondArray::from(vec![Some(2), None, Some(-1)]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(1_999), None, Some(-1)]))),
        ("day", Arc::new(Date32Array::from(vec![Some(1), None, Some(0)]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let attributes = ["tags", "s", "ns", "day"].map(String::from).to_vec();
    let options = Options { attributes, ..Options::default() };
    let table = crate::read(&path, &options).unwrap();
    let values: Vec<Values> = table.attributes.into_iter().map(|c| c.values).collect();
    let texts = |texts: &[&str]| Some(texts.iter().map(ToString::to_string).collect());
    assert_eq!(
        values,
        [
            Values::Lists(vec![texts(&["a", "b"]), None, texts(&[])]),
            Values::Times(vec![Some(2_000_000), None, Some(-1_000_000)]),
            Values::Times(vec![Some(1), None, Some(-1)]),
            Values::Times(vec![Some(86_400_000_000), None, Some(0)]),
        ]
    );
}

#[test]
fn arrays_with_holes_are_refused_by_row() {
    let refused =
        |rows: &[Option<[Option<f32>; 2]>]| to_vectors(&lists(rows)).unwrap_err().to_string();
    let full = Some([Some(1.0), Some(2.0)]);
    assert!(refused(&[full, None]).contains("row 1"));
    assert!(refused(&[full, full, Some([Some(1.0), None])]).contains("row 2"));
    assert!(refused(&[full, Some([Some(1.0), Some(f32::NAN)])]).contains("row 1"));
}
