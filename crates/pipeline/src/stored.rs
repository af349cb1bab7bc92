//! Codes and refiners between memory and container sections.

use crate::{
    container::{Container, Sections, meta},
    error::{IndexError, PartProblem},
};
use crinoid_quant::{Codes, codes::Arrays};
use crinoid_refine::{NoRefiner, Refiner, Rescore};

/// Something that goes into a container: small state and bulk arrays.
pub(crate) struct Parts<'a> {
    pub(crate) meta: Vec<u8>,
    pub(crate) arrays: Vec<(&'static str, &'a [u8])>,
}

impl Parts<'_> {
    /// The parts of `codes`.
    pub(crate) fn of<C: Codes>(codes: &C) -> Result<Parts<'_>, IndexError> {
        let (state, arrays) = codes.parts();
        Ok(Parts { meta: meta::encode(&state).map_err(IndexError::Encode)?, arrays })
    }

    /// Bytes of all arrays.
    pub(crate) fn bytes(&self) -> usize {
        self.arrays.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Digest of the arrays with these names; 0 where there is none.
    pub(crate) fn digest_of(&self, names: &[&str]) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        let mut found = false;
        for (_, bytes) in self.arrays.iter().filter(|(name, _)| names.contains(name)) {
            hash.update(bytes);
            found = true;
        }
        if found { hash.digest() } else { 0 }
    }
}

impl<'a> Parts<'a> {
    /// Adds the arrays as sections `prefix.name`.
    pub(crate) fn into_sections(self, prefix: &str, sections: &mut Sections<'a>) {
        for (name, bytes) in self.arrays {
            sections.push(format!("{prefix}.{name}"), bytes);
        }
    }
}

/// Reads codes whose arrays are the sections `prefix.*`.
pub(crate) fn read_codes<C: Codes>(
    container: &Container,
    part: &'static str,
    prefix: &str,
    state: &[u8],
    (len, dim): (usize, usize),
) -> Result<C, IndexError> {
    let fail = |why| IndexError::Parts { path: container.path().to_owned(), part, why };
    let state = meta::decode(state).map_err(|why| fail(PartProblem::Meta(why)))?;
    let mut lookup = |name: &str| container.get(&format!("{prefix}.{name}"));
    let codes = C::from_parts(state, &mut Arrays::new(&mut lookup)).map_err(|e| fail(e.into()))?;
    for (what, got, want) in
        [("its number of vectors", codes.len(), len), ("its dimension", codes.dim(), dim)]
    {
        if got != want {
            return Err(fail(PartProblem::Disagrees { what, got, want }));
        }
    }
    Ok(codes)
}

/// A refiner that can be stored.
pub(crate) trait StoredRefiner: Refiner {
    /// What goes into the container.
    fn parts(&self) -> Result<Parts<'_>, IndexError>;

    /// The vector that node `node` is measured by, decoded; `None` where the refiner keeps none.
    fn vector(&self, _node: u32) -> Option<Vec<f32>> {
        None
    }
}

impl StoredRefiner for NoRefiner {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Ok(Parts { meta: Vec::new(), arrays: Vec::new() })
    }
}

impl<C: Codes> StoredRefiner for Rescore<C> {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Parts::of(self.codes())
    }

    fn vector(&self, node: u32) -> Option<Vec<f32>> {
        let mut vector = vec![0.0; self.codes().dim()];
        self.codes().decode(node, &mut vector);
        Some(vector)
    }
}
