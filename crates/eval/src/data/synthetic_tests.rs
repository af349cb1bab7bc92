use super::*;
use crate::truth::digest;

#[test]
fn presets_never_change() {
    let golden: &[(&str, u128)] = &[
        ("embedded", 0xff7744a663abda9d7e89f07b8ddd0892),
        ("embedded-wide", 0xc50f20fffdd4fbd67f6930691381070f),
        ("embedded-hubs", 0x96a18b72c3dabbacd721c721dbf9b45e),
        ("embedded-bytes", 0xa14f7e1636b85d2e6683d62f626ad763),
        ("embedded-duplicates", 0xc1d10d93aa90a818085e90ee95c8da48),
    ];
    let digests: Vec<(&str, u128)> = PRESETS
        .iter()
        .map(|preset| {
            let small = Synthetic { rows: 200, queries: 20, ..preset.parameters() };
            let data = small.generate(preset.name).unwrap();
            (preset.name, digest(data.metric, &data.base, &data.queries))
        })
        .collect();
    assert_eq!(digests, golden, "{digests:#x?}");
}

#[test]
fn rows_do_not_depend_on_how_many_there_are() {
    let of = |rows| Synthetic { rows, ..Synthetic::default() }.generate("t").unwrap().base;
    assert_eq!(of(10).row(7), of(50).row(7));
}

#[test]
fn bytes_are_bytes_and_many_are_zero() {
    let data = Synthetic { rows: 500, ..Preset::find("embedded-bytes").unwrap().parameters() };
    let values = data.generate("t").unwrap();
    let values = values.base.as_slice();
    assert!(values.iter().all(|&v| v.fract() == 0.0 && (0.0..=255.0).contains(&v)));
    let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64 / values.len() as f64;
    assert!((0.2..0.6).contains(&zeros), "{zeros}");
    assert!(values.iter().any(|&v| v > 150.0));
}

#[test]
fn duplicates_are_exact_and_uneven() {
    let data = Preset::find("embedded-duplicates").unwrap().generate().unwrap();
    let mut rows: Vec<Vec<u32>> =
        data.base.rows().map(|row| row.iter().map(|v| v.to_bits()).collect()).collect();
    rows.sort_unstable();
    let groups: Vec<usize> = rows.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    let repeated: usize = groups.iter().filter(|&&n| n > 1).sum();
    assert!((0.3..0.7).contains(&(repeated as f64 / 20_000.0)), "{repeated}");
    assert!(*groups.iter().max().unwrap() > 100);
}

#[test]
fn senseless_parameters_are_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Synthetic)| {
        let mut parameters = Synthetic::default();
        change(&mut parameters);
        parameters.generate("mine").unwrap_err().to_string()
    };
    assert!(refused(&|p| p.rows = 0).contains("rows is 0"));
    assert!(refused(&|p| p.dim = 0).contains("dim is 0"));
    assert!(refused(&|p| p.noise = f32::NAN).contains("noise is NaN"));
    assert!(refused(&|p| p.hubs = 1.5).contains("hubs is 1.5"));
    assert!(refused(&|p| p.duplicates = -0.1).contains("duplicates is -0.1"));
}
