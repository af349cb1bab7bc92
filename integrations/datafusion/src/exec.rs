//! The leaf of a plan that searches shards, and the node that keeps the nearest of what they found.

use crate::shards::{Shards, external};
use crinoid_pipeline::SearchOptions;
use crinoid_quant::Vectors;
use crinoid_shards::{Found, Manifest};
use datafusion::{
    arrow::{
        array::{Array, Float32Array, Int64Array, RecordBatch, UInt64Array},
        compute::SortOptions,
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    common::{Result, exec_err, internal_err, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{
        EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
        expressions::Column,
    },
    physical_plan::{
        DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
        sorts::sort_preserving_merge::SortPreservingMergeExec,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, stream};
use std::{
    collections::HashSet,
    fmt::{self, Formatter},
    sync::{Arc, LazyLock},
};

/// What comes out: which query, which row, how far.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("query", DataType::Int64, false),
        Field::new("id", DataType::UInt64, false),
        Field::new("distance", DataType::Float32, false),
    ]))
});

/// Queries to a sealed collection.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the collection lies: a folder, or the address of an object store.
    pub location: String,
    /// The collection as it was when the query was planned.
    pub manifest: Arc<Manifest>,
    /// The queries, each with what it is called.
    pub queries: Arc<Vectors>,
    /// What each query is called in the answer.
    pub names: Arc<Vec<i64>>,
    /// How many rows are wanted for each, and how they are searched.
    pub options: SearchOptions,
    /// Whether all rows are measured.
    pub exact: bool,
    /// The only ids that may be answers, ascending.
    pub among: Option<Arc<Vec<u64>>>,
}

/// Searches shards of a sealed collection: a partition each, in which rows come by query and distance.
#[derive(Debug)]
pub struct AnnExec {
    pub(crate) question: Question,
    /// The shard of each partition; `None` is a partition without rows.
    pub(crate) shards: Vec<Option<usize>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// By query, then the nearest first, and of those equally near the lower id.
fn order() -> Result<LexOrdering> {
    let column = |(name, at)| {
        let column = Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>;
        PhysicalSortExpr::new(column, SortOptions { descending: false, nulls_first: false })
    };
    match LexOrdering::new([("query", 0), ("distance", 2), ("id", 1)].map(column)) {
        Some(order) => Ok(order),
        None => internal_err!("an order of three columns is none"),
    }
}

fn properties(partitions: usize) -> Result<Arc<PlanProperties>> {
    let order = EquivalenceProperties::new_with_orderings(SCHEMA.clone(), [order()?]);
    Ok(Arc::new(PlanProperties::new(
        order,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Final,
        Boundedness::Bounded,
    )))
}

impl AnnExec {
    /// Searches these shards.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(question: Question, shards: Vec<Option<usize>>) -> Result<Self> {
        let properties = properties(shards.len())?;
        Ok(Self { question, shards, properties, metrics: ExecutionPlanMetricsSet::new() })
    }

    /// The nearest of what all shards found: what a query of a whole collection is.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn whole(question: Question) -> Result<Arc<dyn ExecutionPlan>> {
        let (k, count) = (question.options.k, question.manifest.shards.len());
        // A plan has one partition at least.
        let shards = (0..count.max(1)).map(|shard| (shard < count).then_some(shard));
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(Self::new(question, shards.collect())?);
        let merged: Arc<dyn ExecutionPlan> = match count {
            0 | 1 => leaf,
            _ => Arc::new(SortPreservingMergeExec::new(order()?, leaf)),
        };
        Ok(Arc::new(NearestExec::new(merged, k)?))
    }
}

impl DisplayAs for AnnExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        let Question { location, queries, options, exact, among, .. } = &self.question;
        let shards: Vec<usize> = self.shards.iter().flatten().copied().collect();
        write!(
            f,
            "AnnExec: {location}, shards {shards:?}, {} queries, k={}",
            queries.len(),
            options.k
        )?;
        match exact {
            true => write!(f, ", exact")?,
            false => write!(f, ", ef={}", options.ef)?,
        }
        among.as_ref().map_or(Ok(()), |ids| write!(f, ", among {} ids", ids.len()))
    }
}

impl ExecutionPlan for AnnExec {
    fn name(&self) -> &'static str {
        "AnnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("AnnExec is a leaf") }
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(&shard) = self.shards.get(partition) else {
            return exec_err!(
                "AnnExec has {} partitions, not {}",
                self.shards.len(),
                partition + 1
            );
        };
        let Some(shard) = shard else {
            // A task has as many partitions as any other, not all of which are its own.
            let none = stream::empty();
            return Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), none)));
        };
        let count = |name: &'static str| MetricBuilder::new(&self.metrics).counter(name, partition);
        let [rows, evaluations, hops] = ["output_rows", "evaluations", "hops"].map(count);
        let time = MetricBuilder::new(&self.metrics).elapsed_compute(partition);
        let (question, shards) = (self.question.clone(), Shards::of(context.session_config()));
        let searched = tokio::task::spawn_blocking(move || {
            let _timer = time.timer();
            let (answers, counters) = search(&shards, &question, shard)?;
            evaluations.add(counters.distances as usize);
            hops.add(counters.hops as usize);
            let batch = batch(&question.names, &answers)?;
            rows.add(batch.num_rows());
            Ok(batch)
        });
        let once = stream::once(async move {
            match searched.await {
                Ok(batch) => batch,
                Err(error) => {
                    exec_err!("shard {shard}: the search ended without an answer: {error}")
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), once)))
    }
}

/// What one shard finds for each query.
fn search(
    shards: &Shards,
    question: &Question,
    number: usize,
) -> Result<(Vec<Vec<Found>>, crinoid_shards::Counters)> {
    let Question { location, manifest, queries, options, exact, among, .. } = question;
    let shard = shards.shard(location, manifest, number).map_err(external)?;
    let filter = among.as_ref().map(|ids| shard.filter(|id| ids.binary_search(&id).is_ok()));
    let found = match exact {
        true => shard.search_exact_batch(queries, options.k, filter.as_ref()),
        false => shard.search_batch_counted(queries, options, filter.as_ref()),
    };
    found.map_err(|error| external(error.into()))
}

/// Answers as rows.
fn batch(names: &[i64], answers: &[Vec<Found>]) -> Result<RecordBatch> {
    let rows = || {
        names
            .iter()
            .zip(answers)
            .flat_map(|(name, found)| found.iter().map(move |one| (*name, one)))
    };
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from_iter_values(rows().map(|(name, _)| name))),
        Arc::new(UInt64Array::from_iter_values(rows().map(|(_, one)| one.id))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, one)| one.distance))),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

/// Of rows that come by query and distance, the first `k` of each query; of a row that lies in several shards one.
#[derive(Debug)]
pub struct NearestExec {
    pub(crate) input: Arc<dyn ExecutionPlan>,
    pub(crate) k: usize,
    properties: Arc<PlanProperties>,
}

impl NearestExec {
    /// Of `input`, which has one partition.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(input: Arc<dyn ExecutionPlan>, k: usize) -> Result<Self> {
        Ok(Self { input, k, properties: properties(1)? })
    }
}

impl DisplayAs for NearestExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "NearestExec: k={}", self.k)
    }
}

impl ExecutionPlan for NearestExec {
    fn name(&self) -> &'static str {
        "NearestExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn required_input_ordering(
        &self,
    ) -> Vec<Option<datafusion::physical_expr_common::sort_expr::OrderingRequirements>> {
        vec![order().ok().map(Into::into)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.k)?)),
            _ => internal_err!("NearestExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (k, mut query, mut seen) = (self.k, None, HashSet::new());
        let kept = self.input.execute(partition, context)?.map(move |rows| {
            let rows = rows?;
            let names = rows.column(0).as_any().downcast_ref::<Int64Array>();
            let ids = rows.column(1).as_any().downcast_ref::<UInt64Array>();
            let (Some(names), Some(ids)) = (names, ids) else {
                return internal_err!("NearestExec: columns of another kind");
            };
            let keep = names.values().iter().zip(ids.values()).map(|(&name, &id)| {
                if query != Some(name) {
                    query = Some(name);
                    seen.clear();
                }
                Some(seen.len() < k && seen.insert(id))
            });
            let keep = keep.collect();
            Ok(datafusion::arrow::compute::filter_record_batch(&rows, &keep)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), kept)))
    }
}
