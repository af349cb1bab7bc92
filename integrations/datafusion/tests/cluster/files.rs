//! Collections of files: one, several, and what is wrong with them.

use crate::{table, vectors};
use crinoid_datafusion::register;
use crinoid_files::Ids;
use crinoid_shards::{Sealed, Store};
use datafusion::{
    arrow::{array::UInt64Array, util::pretty::pretty_format_batches},
    prelude::SessionContext,
};
use std::path::Path;

/// The rows that a build says it took.
async fn built(context: &SessionContext, query: &str) -> Result<u64, String> {
    let frame = context.sql(query).await.map_err(|error| error.to_string())?;
    let said = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(said[0].column(1).as_any().downcast_ref::<UInt64Array>().unwrap().value(0))
}

/// The nearest of all, and its distance.
fn nearest(place: &Path, query: &[f32]) -> (u64, f32) {
    let sealed = Sealed::open(Store::folder(place).unwrap(), &Default::default()).unwrap();
    let found = sealed.search_exact(query, 1).unwrap().found;
    (found[0].id, found[0].distance)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_become_a_collection_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (first, second, third) = (vectors(51, 300, 6), vectors(52, 200, 6), vectors(53, 100, 6));
    crinoid_files::write_vectors(&at("a-1.npy"), &first).unwrap();
    crinoid_files::write_vectors(&at("a-2.npy"), &second).unwrap();
    let names = Ids::Numbers((0..100).map(|row| 9_000 + row).collect());
    crinoid_files::write(&at("b.parquet"), &third, Some(&names)).unwrap();
    crinoid_files::write(&at("c.jsonl"), &third, Some(&names)).unwrap();
    let context = SessionContext::new();
    register(&context);
    let place = folder.path().display().to_string();
    let build = |rows: &str, rest: &str| {
        format!("SELECT * FROM ann_build({rows}, {rest})").replace("HERE", &place)
    };

    let query = build("'HERE/a-*.npy'", "'', 'HERE/made', 3");
    assert_eq!(built(&context, &query).await, Ok(500));
    assert_eq!(nearest(&at("made"), first.row(7)), (7, 0.0));
    assert_eq!(nearest(&at("made"), second.row(7)), (307, 0.0));
    // The list as it was written, and by ids of a column.
    let query = build("['HERE/a-2.npy', 'HERE/a-1.npy']", "'', 'HERE/made', 2, 'cosine'");
    assert_eq!(built(&context, &query).await, Ok(500));
    assert_eq!(nearest(&at("made"), second.row(7)).0, 7);
    for file in ["b.parquet", "c.jsonl"] {
        let query = build(&format!("'HERE/{file}'"), "'vector', 'HERE/made', 2, 'l2', 'id'");
        assert_eq!(built(&context, &query).await, Ok(100), "{file}");
        assert_eq!(nearest(&at("made"), third.row(42)), (9_042, 0.0), "{file}");
    }
    let explained = format!("EXPLAIN {}", build("'HERE/a-?.npy'", "'', 'HERE/made', 3"));
    let plan = context.sql(&explained).await.unwrap().collect().await.unwrap();
    let plan = pretty_format_batches(&plan).unwrap().to_string();
    assert!(plan.contains("AnnBuildExec") && plan.contains("a-?.npy in 3 shards"), "{plan}");

    // What is wrong is named, and leaves the collection before it.
    crinoid_files::write_vectors(&at("d.npy"), &vectors(54, 10, 5)).unwrap();
    let texts = Ids::Texts((0..100).map(|row| format!("row {row}")).collect());
    crinoid_files::write(&at("e.parquet"), &third, Some(&texts)).unwrap();
    std::fs::write(at("f.npy"), "nothing of the kind").unwrap();
    context.register_batch("rows", table(&first, 0..300)).unwrap();
    for (rows, rest, told) in [
        ("'HERE/g*.npy'", "'', 'HERE/made', 2", "g*.npy`: no file is called so"),
        ("'HERE/none.npy'", "'', 'HERE/made', 2", "none.npy"),
        ("'HERE/[d].npy'", "'', 'HERE/made', 2", "[d].npy"),
        (
            "['HERE/a-1.npy', 'HERE/d.npy']",
            "'', 'HERE/made', 2",
            "d.npy: its vectors have 5 dimensions, and those of the files before 6",
        ),
        (
            "'HERE/e.parquet'",
            "'vector', 'HERE/made', 2, 'l2', 'id'",
            "e.parquet: column `id` holds texts",
        ),
        ("'HERE/b.parquet'", "'other', 'HERE/made', 2", "b.parquet"),
        ("'HERE/a-1.npy'", "'vector', 'HERE/made', 2", "a-1.npy"),
        ("'HERE/f.npy'", "'', 'HERE/made', 2", "f.npy"),
        ("[1, 2]", "'', 'HERE/made', 2", "rows are those of a table or of files"),
        ("'nowhere'", "'vector', 'HERE/made', 2", "there is no table `nowhere`"),
    ] {
        let error = built(&context, &build(rows, rest)).await.unwrap_err();
        assert!(error.contains(told), "{rows}: {error}");
    }
    assert_eq!(nearest(&at("made"), third.row(42)), (9_042, 0.0));
    // A table is one still.
    let query = build("'rows'", "'vector', 'HERE/made', 2, 'l2', 'id'");
    assert_eq!(built(&context, &query).await, Ok(300));
}
