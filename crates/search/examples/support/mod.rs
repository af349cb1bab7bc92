//! What the measuring examples share: files of vectors, graphs kept between runs, options.
//!
//! An `.fbin` or `.ibin` file is two little-endian `u32` (rows, columns), then 4-byte values.
#![allow(dead_code, reason = "no example uses all of it")]

use crinoid_graph::{Graph, Params, adjacency::GraphMeta, builder};
use crinoid_quant::{
    Buffer, Codes, Metric, Preparation, Vectors,
    codec::{Sq8, U8Exact},
    codes::Arrays,
};
use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    str::FromStr,
    time::Instant,
};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Takes `name VALUE` out of the arguments.
pub(crate) fn option<T: FromStr>(args: &mut Vec<String>, name: &str) -> Result<Option<T>>
where
    T::Err: Error + 'static,
{
    let Some(place) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let value = args.get(place + 1).ok_or("an option without a value")?.parse()?;
    args.drain(place..place + 2);
    Ok(Some(value))
}

/// The rows of an `.fbin` file, prepared for `metric`.
pub(crate) fn floats(path: &Path, metric: Metric) -> Result<Vectors> {
    let (dim, bits) = values(path)?;
    let floats: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
    Ok(Preparation::new(metric, dim).apply_all(&Vectors::new(floats.as_slice(), dim)?)?)
}

/// Columns and words of a file of 4-byte values.
pub(crate) fn values(path: &Path) -> Result<(usize, Vec<u32>)> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let words: Vec<u32> =
        bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    let [rows, columns, values @ ..] = &words[..] else {
        return Err(format!("{}: no header", path.display()).into());
    };
    match values.len() == *rows as usize * *columns as usize {
        true => Ok((*columns as usize, values.to_vec())),
        false => Err(format!("{}: {} values", path.display(), values.len()).into()),
    }
}

/// The graph that `version` builds with `m` over the bytes of `base`, from `folder` if it has been
/// built before.
pub(crate) fn graph(folder: &Path, base: &Vectors, version: &str, m: usize) -> Result<Graph> {
    let digest = base.as_slice().iter().fold(m as u64, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x5851_F42D_4C95_7F2D).rotate_left(17)
    });
    let path = folder.join(format!("{digest:016x}-{version}-{m}.graph"));
    if let Ok(file) = fs::File::open(&path) {
        let (mut file, mut line) = (BufReader::new(file), String::new());
        file.read_line(&mut line)?;
        let (meta, sizes): (GraphMeta, Vec<(String, usize)>) = serde_json::from_str(&line)?;
        let mut arrays = Vec::new();
        for (name, size) in sizes {
            let mut bytes = Buffer::<u8>::zeroed(size);
            file.read_exact(bytes.make_mut())?;
            arrays.push((name, bytes));
        }
        let mut lookup = |wanted: &str| {
            arrays.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes.clone())
        };
        return Ok(Graph::from_parts(&meta, &mut Arrays::new(&mut lookup))?);
    }
    let start = Instant::now();
    let params = Params { m, ..Params::default() };
    let builder = builder(version)?;
    let graph = match U8Exact::applies(base) {
        true => builder.build(&*U8Exact::train(base, Metric::L2).space(), &params, &())?,
        false => builder.build(&*Sq8::train(base, Metric::L2).space(), &params, &())?,
    };
    eprintln!("built {version} with m {m} in {:.1} s", start.elapsed().as_secs_f64());
    let (meta, arrays) = graph.parts();
    let sizes: Vec<_> = arrays.iter().map(|(name, bytes)| (name, bytes.len())).collect();
    let mut file = fs::File::create(&path)?;
    writeln!(file, "{}", serde_json::to_string(&(meta, sizes))?)?;
    arrays.iter().try_for_each(|(_, bytes)| file.write_all(bytes))?;
    Ok(graph)
}
