//! Sealed collections against one scan of all rows.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_pipeline::{BuildOptions, Index};
use crinoid_quant::{Metric, Vectors, random::Random};
use crinoid_shards::{
    Effort, Found, IdsOf, Manifest, OpenOptions, Plan, SealOptions, Sealed, ShardError, Store,
};
use proptest::prelude::*;
use std::{fs, path::Path, time::Duration};

fn vectors(seed: u64, rows: usize, dim: usize) -> Vectors {
    let mut random = Random::new(seed);
    let centres: Vec<f32> = (0..8 * dim).map(|_| 4.0 * random.normal()).collect();
    let values = (0..rows * dim).map(|at| centres[at / dim % 8 * dim + at % dim] + random.normal());
    Vectors::new(values.collect::<Vec<f32>>(), dim).unwrap()
}

fn store(folder: &Path) -> Store {
    Store::folder(folder).unwrap()
}

fn build(folder: &Path, rows: &Vectors, ids: Option<&[u64]>, options: &SealOptions) -> Sealed {
    Sealed::build(store(folder), rows, ids, options, &()).unwrap()
}

/// What one index over all rows measures.
fn exact(
    rows: &Vectors,
    ids: Option<&[u64]>,
    metric: Metric,
    query: &[f32],
    k: usize,
) -> Vec<Found> {
    let recipe = "float@1/crinoid@1/pipelined@4/float@1".parse().unwrap();
    let options = BuildOptions::default().metric(metric).recipe(recipe);
    let whole = Index::build(rows, &options, &()).unwrap();
    let id = |row: u32| ids.map_or(u64::from(row), |ids| ids[row as usize]);
    let all = whole.search_exact(query, rows.len()).unwrap();
    let mut all: Vec<Found> =
        all.iter().map(|near| Found { id: id(near.id), distance: near.distance }).collect();
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
    all.truncate(k);
    all
}

fn bits(found: &[Found]) -> Vec<(u64, u32)> {
    found.iter().map(|one| (one.id, one.distance.to_bits())).collect()
}

#[test]
fn exact_search_over_shards_is_exact_search_over_all_rows_to_the_last_bit() {
    let rows = vectors(1, 600, 12);
    let ids: Vec<u64> = (0..600).map(|row| 10_000 - 7 * row).collect();
    let queries = vectors(2, 20, 12);
    for metric in Metric::ALL {
        for (shards, routed) in [(1, 0), (3, 0), (7, 0), (5, 1), (5, 2), (700, 0)] {
            let folder = tempfile::tempdir().unwrap();
            let mut options =
                SealOptions::new(shards).build(BuildOptions::default().metric(metric));
            if routed > 0 {
                options = options.routed(routed);
            }
            let sealed = build(folder.path(), &rows, Some(&ids), &options);
            assert_eq!(sealed.len(), 600);
            for query in queries.rows() {
                let want = exact(&rows, Some(&ids), metric, query, 10);
                let found = sealed.search_exact(query, 10).unwrap();
                assert_eq!(bits(&found.found), bits(&want), "{metric} {shards} {routed}");
                assert!(found.missing.is_empty());
            }
        }
    }
}

#[test]
fn a_walk_over_shards_finds_what_a_walk_over_each_finds() {
    let rows = vectors(3, 4_000, 16);
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(4));
    let queries = vectors(4, 50, 16);
    let effort = Effort::for_k(10);
    let batch = sealed.search_batch(&queries, &effort, None).unwrap();
    let (mut hits, mut all) = (0, 0);
    for (query, answer) in queries.rows().zip(&batch) {
        assert_eq!(answer, &sealed.search(query, &effort).unwrap());
        let mut each: Vec<Found> = (0..4)
            .flat_map(|shard| {
                sealed.shard(shard).unwrap().search(query, &effort.search, None).unwrap()
            })
            .collect();
        each.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        each.truncate(10);
        assert_eq!(answer.found, each);
        let want = exact(&rows, None, Metric::L2, query, 10);
        hits += answer.found.iter().filter(|one| want.iter().any(|it| it.id == one.id)).count();
        all += want.len();
    }
    assert!(hits * 1_000 >= all * 995, "{hits} of {all}");
}

#[test]
fn ties_go_to_the_lower_id_across_shards() {
    // The same four rows, again and again: every shard has as many at the same distance.
    let rows: Vec<[f32; 2]> = (0..40).map(|at| [(at % 4) as f32, 0.0]).collect();
    let rows = Vectors::from_rows(&rows).unwrap();
    let ids: Vec<u64> = (0..40).map(|row| 1_000 - row).collect();
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, Some(&ids), &SealOptions::new(5));
    let found = sealed.search(&[0.0, 0.0], &Effort::for_k(4)).unwrap().found;
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [964, 968, 972, 976]);
}

#[test]
fn empty_and_tiny_collections() {
    let folder = tempfile::tempdir().unwrap();
    let none = Vectors::empty(3);
    let sealed = build(folder.path(), &none, None, &SealOptions::new(4));
    assert!(sealed.is_empty());
    assert!(sealed.search(&[0.0; 3], &Effort::for_k(5)).unwrap().found.is_empty());
    let one = Vectors::from_rows([[1.0f32, 2.0, 3.0]]).unwrap();
    let sealed = build(folder.path(), &one, None, &SealOptions::new(4).routed(3));
    let found = sealed.search(&[0.0; 3], &Effort::for_k(5)).unwrap().found;
    assert_eq!(bits(&found), [(0, 14f32.to_bits())]);
}

#[test]
fn routed_shards_are_left_out_and_a_row_in_several_is_answered_once() {
    let rows = vectors(5, 3_000, 8);
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(8).routed(2));
    let manifest = sealed.manifest();
    assert_eq!(manifest.shards.iter().map(|entry| entry.rows).sum::<u64>(), 6_000);
    let other = tempfile::tempdir().unwrap();
    let once = build(other.path(), &rows, None, &SealOptions::new(8).routed(1));
    let (mut searched, mut hits) = (0, 0);
    for query in vectors(5, 40, 8).rows() {
        let answer = sealed.search(query, &Effort::for_k(10)).unwrap();
        searched += once.search(query, &Effort::for_k(10)).unwrap().searched;
        let mut ids: Vec<u64> = answer.found.iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 10);
        let nearest = once.search(query, &Effort::for_k(10).shards(1)).unwrap();
        assert_eq!(nearest.searched, 1);
        let hit = |one: &&Found| answer.found.iter().any(|other| other.id == one.id);
        hits += nearest.found.iter().filter(hit).count();
    }
    assert!(searched < 40 * 3, "{searched} of {} shards", 40 * 8);
    // The closest of eight has far more of them than one in eight.
    assert!(hits > 40 * 8, "{hits} of {}", 40 * 10);
}

#[test]
fn filters_hold_in_every_shard() {
    let rows = vectors(6, 2_000, 8);
    for options in [SealOptions::new(3), SealOptions::new(3).routed(1)] {
        let folder = tempfile::tempdir().unwrap();
        let sealed = build(folder.path(), &rows, None, &options);
        let odd = sealed.filter(|id| id % 5 == 2).unwrap();
        let query = rows.row(7);
        let found = sealed.search_filtered(query, &Effort::for_k(9), &odd).unwrap().found;
        let want = exact(&rows, None, Metric::L2, query, 2_000);
        let want: Vec<Found> = want.into_iter().filter(|one| one.id % 5 == 2).take(9).collect();
        assert_eq!(bits(&found), bits(&want));
        let batch = sealed.search_batch(&rows, &Effort::for_k(3), Some(&odd)).unwrap();
        assert!(batch.iter().flat_map(|answer| &answer.found).all(|one| one.id % 5 == 2));
    }
    let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(3));
    let other = build(other.path(), &rows, None, &SealOptions::new(2));
    let foreign = other.filter(|_| true).unwrap();
    let error = sealed.search_filtered(rows.row(0), &Effort::for_k(1), &foreign).unwrap_err();
    assert!(error.to_string().contains("2 shards, while the collection has 3"), "{error}");
}

#[test]
fn integers_with_one_row_that_is_none_are_built_all_the_same() {
    let mut values: Vec<f32> = (0..4_000).map(|at| (at * 37 % 251) as f32).collect();
    values[1_999] = 0.5;
    let rows = Vectors::new(values, 4).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(4));
    let found = sealed.search(rows.row(499), &Effort::for_k(1)).unwrap().found;
    assert_eq!(bits(&found), [(499, 0)]);
}

/// What opening or searching says, after something was done to the folder.
fn after(harm: impl Fn(&Path, &Manifest)) -> String {
    let rows = vectors(8, 300, 4);
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(3));
    harm(folder.path(), sealed.manifest());
    let opened = Sealed::open(store(folder.path()), &OpenOptions::default());
    opened.and_then(|sealed| sealed.verify()).unwrap_err().to_string()
}

fn rewrite(folder: &Path, from: &str, to: &str) {
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn whatever_is_wrong_is_named_with_its_shard() {
    let said =
        after(|folder, manifest| fs::remove_file(folder.join(&manifest.shards[1].file)).unwrap());
    assert!(said.starts_with("shard 1: its file ") && said.contains("is missing"), "{said}");

    let said = after(|folder, manifest| {
        let path = folder.join(&manifest.shards[2].file);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(said.starts_with("shard 2: ") && said.contains("damaged"), "{said}");

    let said = after(|folder, manifest| {
        let [one, other] = [0, 1].map(|at: usize| folder.join(&manifest.shards[at].file));
        fs::copy(one, other).unwrap();
    });
    assert!(said.starts_with("shard 1: ") && said.contains("the digest is"), "{said}");

    let said = after(|folder, _| rewrite(folder, "\"rows\": 100", "\"rows\": 101"));
    assert!(said.contains("the number of rows is 100, while the manifest says 101"), "{said}");

    let said = after(|folder, _| rewrite(folder, "\"metric\": \"l2\"", "\"metric\": \"ip\""));
    assert!(said.starts_with("shard 0: ") && said.contains("the metric is l2"), "{said}");

    let said = after(|folder, _| rewrite(folder, "\"format\": 1", "\"format\": 9"));
    assert!(said.contains("format 9, while this version reads formats up to 1"), "{said}");

    let said = after(|folder, _| rewrite(folder, "\"rows\": 300", "\"rows\": 301"));
    assert!(
        said.contains("the manifest is damaged: 301 rows, while the shards have 300"),
        "{said}"
    );

    let said = after(|folder, _| rewrite(folder, "\"file\": \"", "\"file\": \"../"));
    assert!(said.contains("is no name of a file beside the manifest"), "{said}");

    let said = after(|folder, _| fs::write(folder.join("manifest.json"), "{").unwrap());
    assert!(said.contains("the manifest is damaged"), "{said}");

    let said = after(|folder, _| fs::remove_file(folder.join("manifest.json")).unwrap());
    assert!(said.contains("its `manifest.json` is missing"), "{said}");
}

#[test]
fn partial_answers_are_asked_for_and_say_what_is_missing() {
    let rows = vectors(9, 300, 4);
    let folder = tempfile::tempdir().unwrap();
    let sealed = build(folder.path(), &rows, None, &SealOptions::new(3));
    let gone = sealed.manifest().shards[1].file.clone();
    fs::remove_file(folder.path().join(gone)).unwrap();
    let sealed = Sealed::open(store(folder.path()), &OpenOptions::default()).unwrap();
    let error = sealed.search(rows.row(150), &Effort::for_k(3)).unwrap_err();
    assert!(matches!(error, ShardError::Missing { shard: 1, .. }), "{error}");
    let answer = sealed.search(rows.row(150), &Effort::for_k(3).partial(true)).unwrap();
    assert_eq!((answer.missing, answer.searched, answer.found.len()), (vec![1], 2, 3));
}

#[test]
fn a_build_that_fails_leaves_the_one_before_and_sweeping_what_is_named() {
    let (old, new) = (vectors(10, 200, 4), vectors(11, 240, 4));
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &old, None, &SealOptions::new(2));
    // Half of a build: a shard was written, no manifest.
    let plan = Plan::new(&new, None, &BuildOptions::default()).unwrap();
    let entry = plan.build_shard(&store(folder.path()), (0, &new), Err(0), None, &()).unwrap();
    assert_eq!(entry.ids, IdsOf::From(0));
    let sealed = Sealed::open(store(folder.path()), &OpenOptions::default()).unwrap();
    assert_eq!(sealed.len(), 200);
    sealed.verify().unwrap();

    let none = Sealed::sweep(&store(folder.path()), Duration::from_secs(3_600)).unwrap();
    assert!(none.is_empty(), "{none:?}");
    let swept = Sealed::sweep(&store(folder.path()), Duration::ZERO).unwrap();
    assert_eq!(swept, [entry.file]);
    Sealed::open(store(folder.path()), &OpenOptions::default()).unwrap().verify().unwrap();

    // A whole build in the place of the one before, whose files are swept then.
    let sealed = build(folder.path(), &new, None, &SealOptions::new(3));
    assert_eq!(sealed.len(), 240);
    assert_eq!(Sealed::sweep(&store(folder.path()), Duration::ZERO).unwrap().len(), 2);
    sealed.verify().unwrap();
}

#[test]
fn the_same_rows_make_the_same_files_at_any_number_of_threads() {
    let rows = vectors(12, 900, 8);
    let files = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = SealOptions::new(4).routed(2);
        pool.install(|| build(folder.path(), &rows, None, &options));
        fs::read_to_string(folder.path().join("manifest.json")).unwrap()
    };
    assert_eq!(files(1), files(3));
}

#[test]
fn options_and_ids_out_of_range_say_what_to_do() {
    let rows = vectors(13, 50, 4);
    let folder = tempfile::tempdir().unwrap();
    let said = |ids: Option<&[u64]>, options: &SealOptions| {
        let built = Sealed::build(store(folder.path()), &rows, ids, options, &());
        built.unwrap_err().to_string()
    };
    assert!(said(None, &SealOptions::new(0)).contains("shards is 0: there must be one"));
    assert!(said(None, &SealOptions::new(2).routed(0)).contains("copies is 0"));
    assert!(said(Some(&[1, 2]), &SealOptions::new(2)).contains("2 ids for 50 rows"));
    let mut ids: Vec<u64> = (0..50).collect();
    ids[40] = 7;
    assert_eq!(
        said(Some(&ids), &SealOptions::new(2)),
        "rows 7 and 40 both have id 7: ids must differ"
    );
    let coarse = "sq8@2/crinoid@1/pipelined@4/none@1".parse().unwrap();
    let coarse = SealOptions::new(2).build(BuildOptions::default().recipe(coarse));
    assert!(said(None, &coarse).contains("cannot be compared across shards"));
    let short = BuildOptions::default().truncate(2);
    assert!(said(None, &SealOptions::new(2).routed(1).build(short)).contains("leave routing out"));
    assert!(!folder.path().join("manifest.json").exists());
    let error = Store::at("s3://bucket/prefix").unwrap_err().to_string();
    assert!(error.contains("`s3://bucket/prefix`"), "{error}");
}

#[test]
fn objects_of_a_store_are_fetched_once_and_kept_by_digest() {
    let rows = vectors(14, 200, 4);
    let memory = std::sync::Arc::new(object_store::memory::InMemory::new());
    let open = || Store::of(memory.clone(), "a/b").unwrap();
    Sealed::build(open(), &rows, None, &SealOptions::new(2), &()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let options = OpenOptions::default().cache(cache.path());
    for _ in 0..2 {
        let sealed = Sealed::open(open(), &options).unwrap();
        let found = sealed.search(rows.row(5), &Effort::for_k(1)).unwrap().found;
        assert_eq!(bits(&found), [(5, 0)]);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2);
    }
    // A file of the cache that was damaged is fetched again.
    for file in fs::read_dir(cache.path()).unwrap() {
        fs::write(file.unwrap().path(), "something else").unwrap();
    }
    Sealed::open(open(), &options).unwrap().verify().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_into_shards_answers_alike(
        seed in 0..1_000u64,
        count in 1..300usize,
        dim in 1..12usize,
        shards in 1..9usize,
        copies in 0..3usize,
        metric in 0..3usize,
        k in 1..20usize,
    ) {
        let rows = vectors(seed, count, dim);
        let metric = Metric::ALL[metric];
        let folder = tempfile::tempdir().unwrap();
        let mut options = SealOptions::new(shards).build(BuildOptions::default().metric(metric));
        if copies > 0 {
            options = options.routed(copies);
        }
        let sealed = build(folder.path(), &rows, None, &options);
        for query in vectors(seed + 1, 3, dim).rows() {
            let found = sealed.search_exact(query, k).unwrap().found;
            prop_assert_eq!(bits(&found), bits(&exact(&rows, None, metric, query, k)));
        }
    }
}
