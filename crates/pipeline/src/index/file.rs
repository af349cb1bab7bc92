//! The index as one file: written atomically, verified when it is opened.

use super::{BuildOptions, BuildReport, Index, ZeroRows, idle};
use crate::{
    compose,
    container::{Container, ContainerError, FORMAT, Placement, Sections, meta, publish},
    error::{IndexError, PartProblem},
    fingerprint::Fingerprint,
};
use crinoid_graph::{Copies, Graph, Params, adjacency::GraphMeta};
use crinoid_quant::{Preparation, codes::Arrays, vectors::check_dim};
use serde::{Deserialize, Serialize};
use std::{io::Write, path::Path, sync::OnceLock};

/// The section with everything small.
const META: &str = "meta";

/// What was found out when the index was built, as JSON: a later version may know more.
const REPORT: &str = "report";

/// Prefix of the sections that say which rows are the same vector; a file without copies has none.
const COPIES: &str = "copies";

/// The small state of a stored index.
#[derive(Serialize, Deserialize)]
struct Meta {
    fingerprint: Fingerprint,
    len: u64,
    /// The builder's parameters as JSON, in which a parameter that is new in a later version
    /// is simply absent.
    params: String,
    graph: GraphMeta,
    codes: Vec<u8>,
    refiners: Vec<Vec<u8>>,
}

impl Index {
    /// The sections of the index's file, for containers in which something else goes along: readers of indexes
    /// leave sections alone that they do not know.
    ///
    /// # Errors
    /// When metadata cannot be encoded.
    pub fn to_sections(&self) -> Result<Sections<'_>, IndexError> {
        let codes = self.stage.parts()?;
        let refiners =
            self.refiners.iter().map(|refiner| refiner.parts()).collect::<Result<Vec<_>, _>>()?;
        let (graph, adjacency) = self.graph.parts();
        let params = serde_json::to_string(&self.options.graph)
            .map_err(|error| IndexError::Encode(error.to_string()))?;
        let meta = Meta {
            fingerprint: self.fingerprint.clone(),
            len: self.len() as u64,
            params,
            graph,
            codes: codes.meta.clone(),
            refiners: refiners.iter().map(|parts| parts.meta.clone()).collect(),
        };
        let mut sections = Sections::new();
        sections.push(META, meta::encode(&meta).map_err(IndexError::Encode)?);
        let report = serde_json::to_vec(&self.report)
            .map_err(|error| IndexError::Encode(error.to_string()))?;
        sections.push(REPORT, report);
        for (name, bytes) in adjacency {
            sections.push(format!("graph.{name}"), bytes);
        }
        for (name, bytes) in self.copies.iter().flat_map(Copies::parts) {
            sections.push(format!("{COPIES}.{name}"), bytes);
        }
        codes.into_sections("codes", &mut sections);
        for (refiner, parts) in self.refiners.iter().zip(refiners) {
            parts.into_sections(compose::section_prefix(refiner.version()), &mut sections);
        }
        Ok(sections)
    }

    /// Writes the index to `path`, atomically: a reader, or whoever comes after a crash, finds
    /// the old file or the new one. Equal indexes give equal files, byte for byte.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IndexError> {
        Ok(publish(path.as_ref(), &self.to_sections()?)?)
    }

    /// Reads an index into memory, after verifying all of it. What happens to the file afterwards does
    /// not matter to the index.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or was written by another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        Self::load_to(path, Placement::Memory)
    }

    /// As [`load`](Self::load), with a say in where float rows live.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_to(path: impl AsRef<Path>, placement: Placement) -> Result<Self, IndexError> {
        Self::from_container(&placement.open(path.as_ref())?)
    }

    /// As [`load`](Self::load), but maps codes and float rows: they take no memory of the process's
    /// own, and pages that are never read take none at all. The graph is in memory even so, since
    /// what searches read without a check follows from it.
    ///
    /// # Safety
    /// Nobody, in this process or another, changes, cuts or overwrites the file in place while the
    /// index lives. (Replacing it by a rename, as [`save`](Self::save) does, is fine; so is deleting it.)
    /// Else a search is undefined behaviour; in practice a wrong answer, or the end of the process
    /// by a bus error. [`Placement::RowsOnDisk`] saves most of the memory without this demand.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    #[expect(unsafe_code, reason = "maps a file, which no one can keep others from changing")]
    pub unsafe fn load_mapped(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        let is_kept = |name: &str| {
            [META, REPORT, "graph.", COPIES].into_iter().any(|prefix| name.starts_with(prefix))
        };
        // SAFETY: the caller's promise is passed on.
        Self::from_container(&unsafe { Container::open_mapped(path.as_ref(), is_kept)? })
    }

    /// Writes the index to `writer`: the bytes that [`save`](Self::save) puts into a file.
    ///
    /// # Errors
    /// When the writer refuses.
    pub fn save_to(&self, writer: impl Write) -> Result<(), IndexError> {
        Ok(self.to_sections()?.write_to(writer)?)
    }

    /// Reads an index from the bytes that [`save_to`](Self::save_to) wrote, which are copied and
    /// verified.
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let mut bytes = Vec::new();
    /// index.save_to(&mut bytes)?;
    /// assert_eq!(Index::load_from(&bytes)?.digest(), index.digest());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the bytes are no index, or damaged.
    pub fn load_from(bytes: &[u8]) -> Result<Self, IndexError> {
        Self::from_container(&Container::from_bytes(bytes)?)
    }

    /// The index in a container that was opened already.
    ///
    /// # Errors
    /// When there is none in it, its parts do not agree, or it was written by another version.
    pub fn from_container(container: &Container) -> Result<Self, IndexError> {
        let meta: Meta = container.meta(META)?;
        let path = || container.path().to_owned();
        let fail = |part, why| IndexError::Parts { path: path(), part, why };
        let Fingerprint { space, truncation, metric, recipe, format, .. } = &meta.fingerprint;
        if !(1..=FORMAT).contains(format) {
            let (found, known) = (*format, FORMAT);
            return Err(ContainerError::Format { path: path(), found, known }.into());
        }
        check_dim(space.dimension)?;
        let report: BuildReport = match container.get(REPORT) {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| fail("report", PartProblem::Meta(error.to_string())))?,
            None => BuildReport::default(),
        };
        if let Some(what) = report.contradiction(meta.len as usize) {
            return Err(fail("report", PartProblem::Meta(format!("{what} cannot be"))));
        }
        let preparation = Preparation::new(*metric, space.dimension).truncated(*truncation)?;
        let preparation = Preparation { exponent: report.exponent, ..preparation };
        let params: Params = serde_json::from_str(&meta.params)
            .map_err(|error| fail("parameters", PartProblem::Meta(error.to_string())))?;

        let mut lookup = |name: &str| container.get(&format!("graph.{name}"));
        let graph = Graph::from_parts(&meta.graph, &mut Arrays::new(&mut lookup))
            .map_err(|error| fail("graph", error.into()))?;
        let copies = match container.get(&format!("{COPIES}.starts")) {
            Some(_) => {
                let mut lookup = |name: &str| container.get(&format!("{COPIES}.{name}"));
                let (nodes, len) = (graph.len(), usize::try_from(meta.len).unwrap_or(usize::MAX));
                let copies = Copies::from_parts(&mut Arrays::new(&mut lookup), nodes, len);
                Some(copies.map_err(|error| fail("copies", error.into()))?)
            }
            None if graph.len() as u64 == meta.len => None,
            None => {
                let (got, want) = (graph.len(), meta.len as usize);
                let what = "its number of nodes";
                return Err(fail("graph", PartProblem::Disagrees { what, got, want }));
            }
        };
        let (graph, stage) = compose::load(recipe, container, graph, &meta.codes, preparation.dim)?;
        if meta.refiners.len() != recipe.refine().len() {
            let (got, want) = (meta.refiners.len(), recipe.refine().len());
            let what = "the number of refiners";
            return Err(fail("refiner", PartProblem::Disagrees { what, got, want }));
        }
        let dims = (preparation.input_dim, preparation.dim);
        let refiners = recipe
            .refine()
            .iter()
            .zip(&meta.refiners)
            .map(|(name, state)| {
                let behind = (&*stage, preparation.prepared_metric());
                compose::load_refiner(name, behind, container, state, graph.len(), dims)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let options = BuildOptions {
            recipe: recipe.clone(),
            metric: *metric,
            truncate: (preparation.dim < preparation.input_dim).then_some(preparation.dim),
            // What nobody asked, nobody checked.
            unchecked: report.candidates.is_empty(),
            zero_rows: if report.keeps_zeros { ZeroRows::Keep } else { ZeroRows::Refuse },
            graph: params,
            answer_links: report.answer_links,
            provider: space.provider.clone(),
            model: space.model.clone(),
        };
        let fingerprint = meta.fingerprint;
        let digest = OnceLock::from(container.digest());
        let idle = idle();
        Ok(Self {
            options,
            preparation,
            fingerprint,
            graph,
            copies,
            stage,
            refiners,
            report,
            digest,
            idle,
        })
    }
}
