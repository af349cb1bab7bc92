//! Conditions on ids: the search looks among the rows that they admit, and finds as many as there are.

use crate::{Worker, ask, cluster, rows, sealed, table, vectors, wanted};
use crinoid_datafusion::register;
use crinoid_shards::{SealOptions, Sealed};
use datafusion::{arrow::util::pretty::pretty_format_batches, prelude::SessionContext};
use std::path::Path;

type Admits = fn(u64) -> bool;

const CONDITIONS: [(&str, Admits); 14] = [
    ("id < 30", |id| id < 30),
    ("id <= 30", |id| id <= 30),
    ("id > 1470", |id| id > 1470),
    ("1470 <= id", |id| id >= 1470),
    ("id BETWEEN 100 AND 140", |id| (100..=140).contains(&id)),
    ("id NOT BETWEEN 3 AND 5990", |id| !(3..=5990).contains(&id)),
    ("id != 300", |id| id != 300),
    ("id <> 300 AND id NOT IN (303, 306)", |id| ![300, 303, 306].contains(&id)),
    ("id > 20 AND id < 60", |id| id > 20 && id < 60),
    ("id < 20 OR id > 5900", |id| !(20..=5900).contains(&id)),
    ("NOT (id >= 20 AND id <= 5900)", |id| !(20..=5900).contains(&id)),
    ("id > -5 AND id < 40", |id| id < 40),
    ("id < -5", |_| false),
    ("id >= 18446744073709551615", |_| false),
];

fn conditioned(place: &Path, condition: &str) -> String {
    ask(place, 10, ", 'exact'").replace(" ORDER BY", &format!(" WHERE {condition} ORDER BY"))
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_ids_find_k_rows_as_one_scan_of_the_admitted_does() {
    let workers = [(); 2].map(|()| Worker::start(&[]));
    let (base, queries) = (vectors(31, 2_000, 8), vectors(32, 6, 8));
    // Rows called by numbers of their own, and rows that are counted.
    let ids: Vec<u64> = (0..2_000).map(|row| 3 * (1_999 - row)).collect();
    for ids in [Some(&ids[..]), None] {
        let (folder, sealed) = sealed(&base, ids, &SealOptions::new(5));
        let (alone, cluster) = (SessionContext::new(), cluster(&workers.each_ref(), |_| {}));
        register(&alone);
        for context in [&alone, cluster.context()] {
            context.register_batch("questions", table(&queries, 0..6)).unwrap();
            let odd = "CREATE VIEW third AS SELECT arrow_cast(v, 'UInt64') AS id FROM (VALUES (3), (9), (27), (81)) t(v)";
            context.sql(odd).await.unwrap();
        }
        let all = wanted(&sealed, &queries, 2_000, true);
        let of = |admits: &dyn Fn(u64) -> bool| -> Vec<(i64, u64, u32)> {
            let one = |query: i64| {
                all.iter().filter(move |row| row.0 == query && admits(row.1)).take(10).copied()
            };
            (0..6).flat_map(one).collect()
        };
        for (condition, admits) in CONDITIONS {
            let query = conditioned(folder.path(), condition);
            let local = alone.sql(&query).await.unwrap().collect().await.unwrap();
            assert_eq!(rows(&local), of(&admits), "{condition}");
            let far = cluster.sql(&query).await.unwrap();
            assert_eq!(rows(&far), of(&admits), "{condition} on workers");
            let plan = alone.sql(&format!("EXPLAIN {query}")).await.unwrap();
            let plan = pretty_format_batches(&plan.collect().await.unwrap()).unwrap().to_string();
            assert!(!plan.contains("FilterExec"), "{condition}: a sieve behind the search: {plan}");
        }
        // A condition, and a list of ids.
        let listed = conditioned(folder.path(), "id BETWEEN 5 AND 50");
        let listed = listed.replace("'exact'", "'exact', 'third'");
        let listed = rows(&cluster.sql(&listed).await.unwrap());
        assert_eq!(listed, of(&|id| [9, 27].contains(&id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_searched_among_the_admitted_rows_and_other_conditions_choose_among_answers() {
    let (base, queries) = (vectors(33, 4_000, 8), vectors(34, 20, 8));
    let (folder, sealed): (_, Sealed) = sealed(&base, None, &SealOptions::new(2));
    let context = SessionContext::new();
    register(&context);
    context.register_batch("questions", table(&queries, 0..20)).unwrap();
    let asked = async |condition: &str| {
        let query = conditioned(folder.path(), condition).replace(", 'exact'", "");
        rows(&context.sql(&query).await.unwrap().collect().await.unwrap())
    };
    let found = asked("id >= 2500").await;
    assert_eq!(found.len(), 200, "k rows for each query");
    assert!(found.iter().all(|row| row.1 >= 2_500));
    let mut want = wanted(&sealed, &queries, 4_000, true);
    want.retain(|row| row.1 >= 2_500);
    let near = (0..20).flat_map(|query| want.iter().filter(move |row| row.0 == query).take(10));
    let hits = near.filter(|row| found.contains(row)).count();
    assert!(hits >= 196, "{hits} of 200");
    let chosen = asked("id % 2 = 0").await;
    assert!(chosen.len() < 200 && chosen.iter().all(|row| row.1 % 2 == 0));
}
