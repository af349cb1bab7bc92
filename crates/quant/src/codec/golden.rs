//! What published codecs make of vectors, byte for byte: index files and recorded figures rest on it.

use super::{tests::clustered, *};
use crate::{Codes, Level, Metric, Vectors};
use xxhash_rust::xxh3::Xxh3;

/// Training, decoding and the build space, under both metrics, of vectors few enough to be looked at whole
/// and of more than any codec samples.
const CODES: &[(&str, u64)] = &[
    ("float@1", 0xe3fd_917f_fb58_6e1a),
    ("half@1", 0x66c2_2da3_ada1_7885),
    ("sq8@1", 0xb7b3_6ed4_b8dd_c02d),
    ("sq8@2", 0xea42_1906_1dde_ae84),
    ("int4@1", 0xaa48_9ed7_703c_9d55),
    ("u8-exact@1", 0x9771_d083_a47a_169e),
    ("int8-maxabs@1", 0x280e_f6bc_e703_0d6e),
    ("int8-fixed@1", 0x24f1_11a9_8737_f728),
    ("sign@1", 0x0979_01ff_79f7_6057),
    ("rabitq1@1", 0x4383_5167_807a_4d29),
    ("rabitq2@1", 0xd871_3a05_442f_59d3),
    ("rabitq3@1", 0xb0ca_2a77_bf77_736e),
    ("rabitq4@1", 0xe80f_7394_d99f_08da),
    ("rabitq5@1", 0x53c3_5c39_1b22_7457),
    ("rabitq6@1", 0x891b_5fdf_ee10_d2e6),
    ("rabitq7@1", 0xca65_91b8_8378_4c91),
    ("rabitq8@1", 0xf1eb_f026_b91b_d88a),
    ("record-asym@1", 0x219b_4cd8_6f43_07b0),
    ("pq4@1", 0x1bef_c05b_5606_9c96),
    ("pq8@1", 0xdd3c_df7c_b735_bf30),
    ("lean@1", 0x6199_1091_6732_e889),
];

/// Which codec is wrong, and what it gives.
fn differs<C: Codes>() -> Option<String> {
    let mut hash = Xxh3::new();
    for vectors in [clustered(200, 100, 1), integers(17_000, 7)] {
        for metric in [Metric::L2, Metric::InnerProduct] {
            let codes = C::train(&vectors, metric);
            for (name, bytes) in codes.parts().1 {
                hash.update(name.as_bytes());
                hash.update(bytes);
            }
            let (space, mut decoded) = (codes.space(), vec![0.0; codes.dim()]);
            let ids: Vec<u32> = (0..100).collect();
            for from in 0..100 {
                let mut keys = vec![0; ids.len()];
                space.keys(from, &ids, &mut keys);
                codes.decode(from, &mut decoded);
                hash.update(bytemuck::cast_slice(&keys));
                hash.update(bytemuck::cast_slice(&decoded));
            }
        }
    }
    let got = hash.digest();
    let want = CODES.iter().find(|(version, _)| *version == C::VERSION);
    (want != Some(&(C::VERSION, got))).then(|| format!("(\"{}\", {got:#018x}),", C::VERSION))
}

/// Integers 0..=255, which every codec takes, with a row that stands out.
fn integers(n: usize, dim: usize) -> Vectors {
    let values = clustered(n, dim, 2);
    let mut values: Vec<f32> =
        values.as_slice().iter().map(|x| ((x + 1.4) * 75.0).round().clamp(0.0, 200.0)).collect();
    values[..dim].fill(255.0);
    Vectors::new(values, dim).unwrap()
}

#[test]
fn published_codes_are_golden() {
    let wrong: Vec<String> = [
        differs::<Float>(),
        differs::<Half>(),
        differs::<Sq8>(),
        differs::<Sq8Clipped>(),
        differs::<Int4>(),
        differs::<U8Exact>(),
        differs::<Int8MaxAbs>(),
        differs::<Int8Fixed>(),
        differs::<Sign>(),
        differs::<Rabitq<1>>(),
        differs::<Rabitq<2>>(),
        differs::<Rabitq<3>>(),
        differs::<Rabitq<4>>(),
        differs::<Rabitq<5>>(),
        differs::<Rabitq<6>>(),
        differs::<Rabitq<7>>(),
        differs::<Rabitq<8>>(),
        differs::<RecordAsymmetric>(),
        differs::<Pq<4>>(),
        differs::<Pq<8>>(),
        differs::<Lean>(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "at {}:\n{}", Level::current(), wrong.join("\n"));
}

#[test]
fn codes_and_spaces_are_the_same_at_every_level() {
    let program = std::env::current_exe().unwrap();
    for level in Level::available() {
        let run = std::process::Command::new(&program)
            .args(["--exact", "codec::golden::published_codes_are_golden"])
            .env("CRINOID_ISA", level.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{level}: {said}");
    }
}
