//! The nodes of a plan as bytes: on their way to a worker.

use crate::{
    error::ClusterError,
    exec::{AnnExec, Question},
    ids::IdSet,
    nearest::NearestExec,
};
use crinoid_pipeline::SearchOptions;
use crinoid_quant::Vectors;
use crinoid_shards::Manifest;
use datafusion::{
    common::{DataFusionError, Result, internal_err},
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use prost::Message;
use std::sync::Arc;

/// Encodes [`AnnExec`] and [`NearestExec`].
#[derive(Debug, Default)]
pub struct AnnCodec;

/// Readers refuse what they do not know.
const VERSION: u32 = 2;

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(message, optional, tag = "2")]
    ann: Option<Ann>,
    #[prost(message, optional, tag = "3")]
    nearest: Option<Nearest>,
}

#[derive(Clone, PartialEq, Message)]
struct Nearest {
    #[prost(uint64, tag = "1")]
    k: u64,
    #[prost(uint64, tag = "2")]
    shards: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Ann {
    #[prost(string, tag = "1")]
    location: String,
    #[prost(bytes = "vec", tag = "2")]
    manifest: Vec<u8>,
    #[prost(uint64, tag = "3")]
    dimension: u64,
    #[prost(float, repeated, tag = "4")]
    queries: Vec<f32>,
    #[prost(int64, repeated, tag = "5")]
    names: Vec<i64>,
    #[prost(bytes = "vec", tag = "6")]
    options: Vec<u8>,
    #[prost(bool, tag = "7")]
    exact: bool,
    #[prost(message, optional, tag = "8")]
    among: Option<Ids>,
    #[prost(message, repeated, tag = "9")]
    partitions: Vec<Partition>,
    #[prost(bool, tag = "10")]
    partial: bool,
    #[prost(bool, tag = "11")]
    lost: bool,
}

/// The first and the last id of each range, one after the other.
#[derive(Clone, PartialEq, Message)]
struct Ids {
    #[prost(uint64, repeated, tag = "1")]
    ends: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Partition {
    #[prost(uint64, repeated, tag = "1")]
    shards: Vec<u64>,
}

fn unreadable(error: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("a plan of crinoid that cannot be read: {error}"))
}

impl PhysicalExtensionCodec for AnnCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node = Node::decode(bytes).map_err(unreadable)?;
        if node.version != VERSION {
            return Err(ClusterError::Format { found: node.version, known: VERSION }.into());
        }
        match (node.ann, node.nearest, inputs) {
            (Some(ann), None, []) => Ok(Arc::new(decoded(ann)?)),
            (None, Some(Nearest { k, shards }), [input]) => {
                let nearest = NearestExec::new(input.clone(), k as usize, shards as usize)?;
                Ok(Arc::new(nearest))
            }
            _ => Err(unreadable("neither a search nor a merge")),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let node = if let Some(ann) = node.downcast_ref::<AnnExec>() {
            Node { version: VERSION, ann: Some(encoded(ann)?), nearest: None }
        } else if let Some(nearest) = node.downcast_ref::<NearestExec>() {
            let nearest = Nearest { k: nearest.k as u64, shards: nearest.shards as u64 };
            Node { version: VERSION, ann: None, nearest: Some(nearest) }
        } else {
            return internal_err!("{} is no node of crinoid", node.name());
        };
        node.encode(bytes).map_err(unreadable)
    }
}

fn encoded(exec: &AnnExec) -> Result<Ann> {
    let Question { location, manifest, queries, names, options, exact, among, partial } =
        &exec.question;
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(unreadable);
    // Where rows lie is of no use to who searches a shard, and most of what a manifest has to say.
    let mut manifest = Manifest::clone(manifest);
    manifest.shards.iter_mut().for_each(|entry| entry.region = None);
    let ends = |ids: &IdSet| {
        ids.ranges().iter().flat_map(|range| [*range.start(), *range.end()]).collect()
    };
    let partition =
        |own: &Vec<usize>| Partition { shards: own.iter().map(|&one| one as u64).collect() };
    Ok(Ann {
        location: location.clone(),
        manifest: json(serde_json::to_vec(&manifest))?,
        dimension: queries.dim() as u64,
        queries: queries.as_slice().to_vec(),
        names: names.to_vec(),
        options: json(serde_json::to_vec(options))?,
        exact: *exact,
        among: among.as_ref().map(|ids| Ids { ends: ends(ids) }),
        partitions: exec.shards.iter().map(partition).collect(),
        partial: *partial,
        lost: exec.lost,
    })
}

fn decoded(ann: Ann) -> Result<AnnExec> {
    let manifest: Manifest = serde_json::from_slice(&ann.manifest).map_err(unreadable)?;
    let options: SearchOptions = serde_json::from_slice(&ann.options).map_err(unreadable)?;
    let queries = Vectors::new(ann.queries, ann.dimension as usize).map_err(unreadable)?;
    if queries.len() != ann.names.len() {
        let (queries, names) = (queries.len(), ann.names.len());
        return Err(unreadable(format!("{queries} queries and {names} names")));
    }
    let among = ann.among.map(|Ids { ends }| {
        IdSet::from_ranges(ends.as_chunks().0.iter().map(|&[first, last]| first..=last))
    });
    let shards = ann.partitions.iter();
    let shards = shards.map(|own| own.shards.iter().map(|&one| one as usize).collect()).collect();
    let question = Question {
        location: ann.location,
        manifest: Arc::new(manifest),
        queries: Arc::new(queries),
        names: Arc::new(ann.names),
        options,
        exact: ann.exact,
        among: among.map(Arc::new),
        partial: ann.partial,
    };
    Ok(AnnExec::new(question, shards)?.lost(ann.lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_proto::physical_plan::DefaultPhysicalProtoConverter;

    fn decoded(node: &Node) -> Result<Arc<dyn ExecutionPlan>> {
        let (bytes, converter) = (node.encode_to_vec(), DefaultPhysicalProtoConverter {});
        AnnCodec.try_decode(&bytes, &[], &TaskContext::default(), &converter)
    }

    #[test]
    fn a_plan_in_another_format_is_refused_with_both_numbers() {
        for version in [0, VERSION - 1, VERSION + 1, u32::MAX] {
            let error = decoded(&Node { version, ann: None, nearest: None }).unwrap_err();
            let text = error.to_string();
            let DataFusionError::External(error) = error else { panic!("{text}") };
            assert!(
                matches!(error.downcast_ref(), Some(ClusterError::Format { found, known })
                    if *found == version && *known == VERSION),
                "{text}"
            );
            let numbers = format!("in format {version}, while this worker reads {VERSION}");
            assert!(text.contains(&numbers), "{text}");
        }
        let error = decoded(&Node { version: VERSION, ann: None, nearest: None }).unwrap_err();
        assert!(error.to_string().contains("neither a search nor a merge"), "{error}");
    }
}
